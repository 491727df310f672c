// Puts the operator's page together: what the monitor found, over time, and the labels that are asked for.

import * as api from "./api.js";
import { cardOf } from "./card.js";
import { drawDrift, nameOfDrifted } from "./drift.js";
import { drawEvents } from "./events.js";
import { calm, complain, complained, drawFrame, startFrame } from "./frame.js";
import { drawVerdict } from "./looks.js";
import { drawPlot } from "./plot.js";
import { Queue } from "./queue.js";
import { hasWords, number, share, words, yen } from "./words.js";

const REFRESH_MS = 5000;
const SHARES = new Set(["accuracy", "within_tolerance"]);
const $ = (id) => document.getElementById(id);

let found = null; // what GET /monitor/looks says
let drawn = ""; // the same, once it is shown
const queue = new Queue(complain, calm);

async function refresh() {
  if (document.hidden && found) return;
  try {
    found = await api.looks();
    const told = JSON.stringify(found);
    if (told !== drawn) draw();
    drawn = told;
    await queue.refresh();
    if (complained()) calm();
    document.documentElement.dataset.ready = "true";
  } catch (error) {
    complain(error);
  }
}

/** Everything that depends on the language, or on the width. */
function draw() {
  drawFrame();
  if (!found) return;
  const { model, latest, looks, events } = found;
  const title = (model && cardOf(model).title) ?? model?.use_case ?? "";
  document.title = words("monitor.title", { title });
  $("title").textContent = document.title;
  $("served").textContent = model ? words("served", { ...model, candidate: model.candidate.replaceAll("_", " ") }) : "";
  drawVerdict(found);
  for (const section of document.querySelectorAll(".looks")) section.hidden = latest === null;
  queue.redraw(model);
  if (latest === null) return;
  const quality = latest.figures.quality;
  const name = quality?.name ? (hasWords(`figure.${quality.name}`) ? words(`figure.${quality.name}`) : quality.name.replaceAll("_", " ")) : "";
  $("quality-heading").textContent = words("monitor.quality", { name });
  $("quality-heading").parentElement.hidden = !name;
  const nameOf = (field) => nameOfDrifted(field, model);
  drawPlot($("value"), { looks, events, of: (look) => look.yen_per_1000 ?? {}, show: yen, name: words("monitor.value"), nameOf });
  const show = SHARES.has(quality?.name) ? share : number;
  drawPlot($("quality"), { looks, events, of: (look) => look.quality ?? {}, show, name, nameOf });
  drawDrift($("drift"), latest.figures.drift ?? [], model);
  $("drift-heading").parentElement.hidden = !latest.figures.drift?.length;
  drawEvents($("events"), events, nameOf);
  $("events-heading").parentElement.hidden = !events.length;
}

startFrame(draw);
refresh();
setInterval(refresh, REFRESH_MS);
let width = innerWidth;
addEventListener("resize", () => {
  if (innerWidth === width) return;
  width = innerWidth;
  draw();
});
