// How far the inputs and outputs of the newest window are from those of training and test, by field.

import { nameOfField } from "./card.js";
import { rowOf } from "./plot.js";
import { hasWords, number, share, words } from "./words.js";

const SHOWN = 30;
const SMALLEST_P = 0.0001; // less is not written out
const OUTPUT = "(output)"; // as the monitor calls what the model answers

export function drawDrift(container, drift, model) {
  const order = [...drift].sort((a, b) => Number(b.drifted) - Number(a.drifted) || b.effect - a.effect).slice(0, SHOWN);
  const largest = Math.max(...order.map(({ effect }) => Math.abs(effect)), 1e-9);
  const table = document.createElement("table");
  table.className = "drift";
  table.append(rowOf("th", ["field", "effect", "of", "from", "to", "p"].map((name) => words(`drift.${name}`))));
  for (const found of order) {
    const row = rowOf("td", [nameOf(found, model), bar(found, largest), what(found), ...moved(found), probability(found.adjusted_p)]);
    if (found.drifted) {
      row.className = "drifted";
      const badge = document.createElement("span");
      badge.className = "badge";
      badge.textContent = words("drift.drifted");
      row.cells[0].append(" ", badge);
    }
    table.append(row);
  }
  container.replaceChildren(table);
}

/** An input by its name on the card; the outputs together. */
export const nameOfDrifted = (field, model) => (field === OUTPUT ? words("drift.output") : model ? nameOfField(model, field) : field);

function nameOf({ field, summary }, model) {
  if (field === OUTPUT) return words(`output.${summary}`);
  const name = nameOfDrifted(field, model);
  return hasWords(`summary.${summary}`) ? words("drift.of.summary", { name, summary: words(`summary.${summary}`) }) : name;
}

/** What `from` and `to` are: the median, or the share of a category. */
function what({ of }) {
  if (of === undefined || of === "median") return words("drift.median");
  return words("drift.share", { of: hasWords(`drift.${of}`) ? words(`drift.${of}`) : of });
}

function moved({ of, from, to }) {
  const write = of === undefined || of === "median" ? plain : share;
  // A date is a text.
  return [from, to].map((value) => (Number.isFinite(value) ? write(value) : typeof value === "string" ? value : "–"));
}

function bar({ effect }, largest) {
  const holder = document.createElement("span");
  const track = document.createElement("span");
  const filled = document.createElement("span");
  holder.className = "effect";
  track.className = "track";
  track.setAttribute("aria-hidden", "true");
  filled.style.width = `${(100 * Math.abs(effect)) / Math.max(largest, 0.5)}%`;
  track.append(filled);
  holder.append(track, number(effect, 2));
  return holder;
}

const probability = (p) => (p < SMALLEST_P ? `< ${number(SMALLEST_P)}` : plain(p));
const plain = (value) => (value === null || value === undefined ? "–" : typeof value === "number" ? number(value, 3) : String(value));
