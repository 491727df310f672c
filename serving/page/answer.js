// The answer: the class or value, who decides, what that is worth, and the feedback on it.

import * as api from "./api.js";
import { drawLabels, haveOwnKeys, isElsewhere } from "./labels.js";
import { own } from "./own.js";
import { amount, number, share, words, yen } from "./words.js";

const $ = (id) => document.getElementById(id);

export class Answer {
  #model;
  #nameOfOutput;
  #settle; // makes the answer that is shown one that counts
  #stored; // called when a label was stored
  #failed; // called with an error
  #given = null; // the answer that is shown
  #current = false; // whether it answers the input as it is now
  #label = null; // the label that was given to it, and the outcome
  #rows = new Map(); // of the bars, by class
  #spoken = 0;

  constructor(model, settle, stored, failed) {
    this.#model = model;
    this.#settle = settle;
    this.#stored = stored;
    this.#failed = failed;
    document.addEventListener("keydown", (event) => this.#type(event));
  }

  /** Draw everything that depends on the language, for a model and the name of what it predicts. */
  redraw(model, nameOfOutput) {
    this.#model = model;
    this.#nameOfOutput = nameOfOutput;
    this.#rows.clear();
    $("bars").replaceChildren();
    $("feedback-heading").textContent = words(this.#isClass ? "feedback.class" : "feedback.value");
    this.#drawLabels();
    if (this.#given) this.#draw();
  }

  /** The input has changed: what is shown is no longer its answer. */
  outdate() {
    this.#current = false;
    $("answer").setAttribute("aria-busy", "true");
    this.#enableLabels();
  }

  clear() {
    this.#given = this.#label = null;
    this.outdate();
    $("answer").setAttribute("aria-busy", "false");
    $("result").hidden = true;
    $("waiting").hidden = false;
    $("spoken").textContent = "";
  }

  show(given) {
    this.#given = given;
    this.#current = true;
    this.#label = null;
    $("answer").setAttribute("aria-busy", "false");
    $("waiting").hidden = true;
    $("result").hidden = false;
    this.#draw();
    this.#enableLabels();
  }

  get #isClass() {
    return this.#model.output.task === "classification";
  }

  /** Whether pressing a key gives a label too: only if the hint says so. */
  get #hasKeys() {
    return this.#choices.length > 0 && haveOwnKeys(this.#model.output.classes);
  }

  get #choices() {
    return [...document.querySelectorAll("#labels button[data-label]")];
  }

  #draw() {
    const [prediction] = this.#given.predictions;
    const shown = this.#isClass ? prediction.class : amount(prediction.value, prediction.unit);
    $("what").textContent = this.#nameOfOutput;
    $("top").textContent = shown;
    $("sure").textContent = this.#isClass
      ? words("sure", { share: share(own(prediction.probabilities, prediction.class)) })
      : this.#interval(prediction);
    if (this.#isClass) this.#drawBars(prediction);
    this.#drawDecision(prediction);
    const spoken = words("spoken", { name: this.#nameOfOutput, answer: shown, decision: words(prediction.decision) });
    // Read aloud only when the hand rests, not with every stroke.
    clearTimeout(this.#spoken);
    this.#spoken = setTimeout(() => {
      if ($("spoken").textContent !== spoken) $("spoken").textContent = spoken;
    }, 700);
    this.#drawOutcome();
  }

  #drawBars(prediction) {
    for (const [name, probability] of Object.entries(prediction.probabilities)) {
      let row = this.#rows.get(name);
      if (!row) {
        row = makeBar(name);
        this.#rows.set(name, row);
        $("bars").append(row.item);
      }
      row.bar.style.width = `${100 * probability}%`;
      row.value.textContent = share(probability);
      row.item.classList.toggle("best", name === prediction.class);
    }
  }

  #drawDecision(prediction) {
    const { policy } = this.#model;
    const worth = prediction.expected_yen;
    $("by").textContent = words(prediction.decision);
    $("decision").className = `decision ${prediction.decision}`;
    $("because").textContent = this.#because(prediction, policy);
    $("audit").hidden = !prediction.audit;
    document.querySelector(".yen").hidden = !policy;
    if (!policy) return;
    $("yen").textContent = words("yen", { yen: (worth > 0 ? "+" : "") + yen(worth) });
    $("yen-means").textContent = words(worth >= 0 ? "yen.means" : "yen.lost", {
      by_hand: yen(policy.prices.by_hand_yen),
    });
  }

  #because(prediction, policy) {
    if (prediction.unseen) {
      const fields = Object.entries(prediction.unseen).map(([name, value]) => `${name}: ${value}`);
      return words("because.unseen", { fields: fields.join(", ") });
    }
    if (!policy) return words("because.none");
    const { by_hand_yen, check_yen } = policy.prices;
    // What an error costs here, in expectation, is what the answer falls short of manual work.
    const values = { error: number(by_hand_yen - prediction.expected_yen, 2), check: yen(check_yen) };
    return words(`because.${prediction.decision}`, values);
  }

  #interval({ interval, unit }) {
    if (!interval) return "";
    const values = { low: amount(interval.low, unit), high: amount(interval.high, unit), level: share(interval.level) };
    return words("interval", values);
  }

  #drawLabels() {
    drawLabels($("labels"), this.#model.output, "feedback-heading", (label, shown) => this.#give(label, shown));
    this.#enableLabels();
  }

  #enableLabels() {
    for (const control of $("labels").children) {
      control.disabled = !this.#current || this.#label !== null;
      if (control.dataset.label) control.setAttribute("aria-pressed", String(control.dataset.label === this.#label?.label));
    }
  }

  async #give(label, shown) {
    if (!this.#current || this.#label) return;
    const given = await this.#settle();
    // A failed request has been reported already; if the input has changed meanwhile, this is not its answer.
    if (!given || given.draft || this.#given !== given || this.#label) return;
    try {
      const { stored } = await api.feedback(given.request_id, label);
      if (this.#given !== given) return this.#stored();
      this.#label = { label, shown, right: stored.right };
      this.#drawOutcome();
      this.#enableLabels();
      this.#stored();
    } catch (error) {
      this.#failed(error);
    }
  }

  /** The outcome of the label, or how to give one. */
  #drawOutcome() {
    const outcome = this.#label && ({ true: "right", false: "wrong" }[this.#label.right] ?? "stored");
    const hint = this.#hasKeys ? words("feedback.keys") : "";
    const text = outcome ? words(`thanks.${outcome}`, { label: this.#label.shown }) : hint;
    // Setting the same text again would have it read aloud again.
    if ($("thanks").textContent !== text) $("thanks").textContent = text;
  }

  #type(event) {
    if (isElsewhere(event) || !this.#hasKeys) return;
    this.#choices.find((button) => button.dataset.label === event.key)?.click();
  }
}

function makeBar(name) {
  const item = document.createElement("li");
  const label = document.createElement("span");
  const track = document.createElement("span");
  const bar = document.createElement("span");
  const value = document.createElement("span");
  label.className = "label";
  label.textContent = name;
  track.className = "track";
  track.setAttribute("aria-hidden", "true");
  value.className = "value";
  track.append(bar);
  item.append(label, track, value);
  return { item, bar, value };
}
