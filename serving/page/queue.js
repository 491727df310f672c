// The rows whose true label was asked for: one at a time, the oldest first, each labelled with one click or key.

import * as api from "./api.js";
import { nameOfField } from "./card.js";
import { drawLabels, isElsewhere, keysOf } from "./labels.js";
import { showInputs } from "./shown.js";
import { language, moment, number, words } from "./words.js";

// Somebody else has labelled it, or it was deleted: there is nothing left to do about it.
const SETTLED = new Set(["second_label", "unknown_request"]);
const $ = (id) => document.getElementById(id);

export class Queue {
  #rows = [];
  #models = {}; // by digest
  #waiting = 0;
  #isMore = false;
  #model = null; // the one that is served
  #later = new Set(); // those that are put off
  #thanks = null; // of the last label: how it is shown, and the outcome
  #sending = false;
  #drawn = "";
  #complain;
  #calm;

  constructor(complain, calm) {
    this.#complain = complain;
    this.#calm = calm;
    $("later").addEventListener("click", () => this.#putOff());
    document.addEventListener("keydown", (event) => this.#type(event));
  }

  async refresh() {
    if (this.#sending) return;
    const found = await api.queue();
    if (this.#sending) return;
    const before = this.#row;
    this.#rows = found.rows;
    this.#models = found.models;
    this.#waiting = found.waiting;
    this.#isMore = found.is_more;
    // What somebody looks at stays where it is.
    if (before && this.#rows.some((row) => idOf(row) === idOf(before))) this.#rows.sort((a, b) => rank(b, before) - rank(a, before));
    if (!before || !this.#row || idOf(before) !== idOf(this.#row)) this.#draw();
    this.#drawCount();
  }

  /** Draw it again if that makes a difference: somebody may be typing a value. */
  redraw(model) {
    const drawn = `${language} ${model?.digest}`;
    if (this.#drawn === drawn) return;
    this.#drawn = drawn;
    this.#model = model;
    this.#draw();
  }

  get #row() {
    return this.#rows.find((row) => !this.#later.has(idOf(row))) ?? this.#rows[0] ?? null;
  }

  get #about() {
    return this.#models[this.#row.digest] ?? this.#model;
  }

  #drawCount() {
    const count = number(this.#waiting);
    $("queue-heading").textContent = words(this.#isMore ? "queue.more" : "queue", { count });
  }

  #draw() {
    this.#drawCount();
    const row = this.#row;
    $("asked").hidden = !row || !this.#about;
    const isClass = row && this.#about?.output.classes.length > 0;
    $("queue-hint").textContent = words(row ? (isClass ? "queue.hint.class" : "queue.hint.value") : "queue.none");
    this.#drawThanks();
    if ($("asked").hidden) return;
    const { inputs, output } = this.#about;
    const nameOf = (name) => (this.#model ? nameOfField(this.#model, name) : name);
    const when = document.createElement("p");
    when.className = "hint";
    when.textContent = words("queue.answered", { time: moment(row.answered_at) });
    $("asked-inputs").replaceChildren(...showInputs(inputs, row.inputs, nameOf), when);
    $("asked-heading").textContent = words(isClass ? "feedback.class" : "feedback.value");
    $("later").hidden = this.#rows.length < 2;
    drawLabels($("labels"), output, "asked-heading", (label, shown) => this.#give(label, shown));
    const keys = keysOf(output.classes);
    for (const [place, button] of [...$("labels").querySelectorAll("button[data-label]")].entries()) {
      button.dataset.key = keys[place];
      if (!keys[place] || keys[place] === button.dataset.label) continue;
      const key = document.createElement("kbd");
      key.textContent = keys[place];
      key.setAttribute("aria-hidden", "true");
      button.prepend(key, " ");
    }
    const number = $("labels").querySelector("input");
    if (number && this.#thanks) number.focus();
  }

  #drawThanks() {
    const outcome = this.#thanks && ({ true: "right", false: "wrong" }[this.#thanks.right] ?? "stored");
    $("thanks").textContent = outcome ? words(`thanks.${outcome}`, { label: this.#thanks.shown }) : "";
  }

  async #give(label, shown) {
    if (this.#sending) return;
    const row = this.#row;
    this.#sending = true;
    for (const control of $("labels").children) control.disabled = true;
    try {
      const { stored } = await api.labelled(row.request_id, row.row, label);
      this.#thanks = { shown, right: stored.right };
      this.#done(row);
      this.#calm();
    } catch (error) {
      if (SETTLED.has(error.code)) this.#done(row);
      this.#complain(error);
    }
    this.#sending = false;
    if (!this.#rows.length) await this.refresh().catch(this.#complain);
    this.#draw();
  }

  #done(row) {
    this.#rows = this.#rows.filter((one) => idOf(one) !== idOf(row));
    if (!this.#isMore) this.#waiting = Math.max(0, this.#waiting - 1);
  }

  #putOff() {
    const row = this.#row;
    if (!row) return;
    this.#later.add(idOf(row));
    // Once all are put off, they come again.
    if (this.#rows.every((one) => this.#later.has(idOf(one)))) this.#later.clear();
    this.#thanks = null;
    this.#draw();
  }

  #type(event) {
    if (isElsewhere(event) || $("asked").hidden) return;
    [...$("labels").querySelectorAll("button[data-key]")].find((button) => button.dataset.key === event.key)?.click();
  }
}

const idOf = (row) => `${row.request_id} ${row.row}`;
const rank = (row, before) => Number(idOf(row) === idOf(before));
