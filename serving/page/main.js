// Puts the page together: an input from the manifest, and answers to the input, live.

import { Answer } from "./answer.js";
import * as api from "./api.js";
import { cardOf, nameOfField } from "./card.js";
import { showExplanation } from "./explanation.js";
import { headingOf, makeInput } from "./form.js";
import { calm, complain, complained, drawFrame, startFrame } from "./frame.js";
import { showCard, showLive, showVersions } from "./panel.js";
import { words } from "./words.js";

const REST_MS = 150; // how long the input must rest before it is sent
const SETTLED_MS = 1000; // and how much longer until its answer counts
const STATS_MS = 5000;
const RETRY_MS = 3000; // before a server without a model is asked again
const LONG_FORM = 4; // with more fields than this, it is longer than the answer
const $ = (id) => document.getElementById(id);

let model; // what GET /model says
let versions = [];
let stats = null;
let input; // what is drawn or filled in
let answer;
let shown = null; // the instance and explanation that are shown

const card = () => cardOf(model);
const nameOf = (field) => nameOfField(model, field.name);

// The live answer. There is never more than one request in progress. If the input has changed meanwhile, the answer is
// dropped and the new input is sent. While it is still being drawn, the input is a draft: the server neither logs nor
// counts the answer. It is sent again to be counted once it has settled, or when its true answer is given.
let edition = 0;
let underway = null;
let again = false;
let timer = 0;

function changed() {
  edition += 1;
  answer.outdate();
  clearTimeout(timer);
  timer = setTimeout(ask, REST_MS, true);
}

function ask(draft) {
  if (underway) {
    again = true;
    return underway;
  }
  underway = answerTo(draft).finally(() => {
    underway = null;
    if (!again) return;
    again = false;
    ask(true);
  });
  return underway;
}

/** The answer that is shown, as one that counts. */
async function settle() {
  clearTimeout(timer);
  await underway;
  if (shown?.given.draft) await ask(false);
  return shown?.given;
}

async function answerTo(draft) {
  const asked = edition;
  try {
    const instance = await input.read();
    if (instance === null) {
      if (asked === edition) forget();
    } else {
      const given = { ...(await api.predict(instance, draft)), draft };
      if (asked === edition) {
        show(given, given.instances?.[0] ?? instance);
        if (draft) timer = setTimeout(ask, SETTLED_MS, false);
      }
    }
    calm();
  } catch (error) {
    if (asked === edition) {
      forget();
      complain(error);
    }
  }
}

function forget() {
  shown = null;
  answer.clear();
  $("explanation").hidden = true;
}

function show(given, instance) {
  shown = { given, instance, explanation: given.predictions[0].explanation };
  answer.show(given);
  explain();
  refreshStats();
  // Another version may have taken over, which has another card.
  if (given.model.digest !== model.digest) refreshModel().catch(complain);
}

function explain() {
  const { instance, explanation } = shown;
  showExplanation($("explanation"), model.inputs, instance, explanation, model.output, nameOf);
}

async function refreshModel() {
  const before = JSON.stringify(model?.inputs);
  [model, versions] = await Promise.all([api.model(), api.versions()]);
  if (JSON.stringify(model.inputs) !== before) {
    input = makeInput(model.inputs, changed, model.limits, model.examples);
    $("fields").className = headingOf(model.inputs).replace("input.", "fields ");
    document.querySelector("main").classList.toggle("beside", model.inputs.length > LONG_FORM);
    $("fields").replaceChildren(...input.elements);
    shown = null;
  }
  answer ??= new Answer(model, settle, labelStored, complain);
  draw();
}

function labelStored() {
  calm();
  refreshStats();
}

async function refreshStats() {
  if (document.hidden || !model) return;
  try {
    stats = await api.stats();
    showLive(stats, model);
    if (complained() === "unreachable") {
      // It is back: what could not be sent is sent now.
      calm();
      changed();
    }
  } catch {
    // The next refresh, or the next answer, will show it.
  }
}

/** Ask for the model until there is one. */
async function start() {
  try {
    await refreshModel();
  } catch (error) {
    complain(error);
    // Another try would not mend the page itself.
    if (error instanceof api.RequestError) setTimeout(start, RETRY_MS);
    return;
  }
  calm();
  document.documentElement.dataset.ready = "true";
  refreshStats();
}

/** Everything that depends on the language. */
function draw() {
  drawFrame();
  if (!model) return;
  document.title = card().title ?? model.use_case;
  $("title").textContent = document.title;
  $("problem").textContent = card().problem ?? "";
  $("served").textContent = words("served", { ...model, candidate: model.candidate.replaceAll("_", " ") });
  $("input-heading").textContent = words(headingOf(model.inputs));
  input.name(nameOf);
  answer.redraw(model, card().output ?? model.output.name);
  if (shown) explain();
  showCard(model, card());
  showVersions(versions);
  if (stats) showLive(stats, model);
}

$("clear").addEventListener("click", () => input?.clear());
$("example").addEventListener("click", () => input?.example());
startFrame(draw);
start();
setInterval(refreshStats, STATS_MS);
