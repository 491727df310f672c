// How far the inputs and outputs of the newest window are from the test data, by field.

import { nameOfField } from "./card.js";
import { rowOf } from "./plot.js";
import { hasWords, number, words } from "./words.js";

const SHOWN = 30;

export function drawDrift(container, drift, model) {
  const order = [...drift].sort((a, b) => Number(b.drifted) - Number(a.drifted) || b.effect - a.effect).slice(0, SHOWN);
  const largest = Math.max(...order.map(({ effect }) => Math.abs(effect)), 1e-9);
  const table = document.createElement("table");
  table.className = "drift";
  table.append(rowOf("th", ["field", "effect", "from", "to", "p"].map((name) => words(`drift.${name}`))));
  for (const found of order) {
    const row = rowOf("td", [nameOf(found, model), bar(found, largest), plain(found.from), plain(found.to), plain(found.adjusted_p)]);
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

/** An input by its name on the card, an output by ours. */
export function nameOfDrifted(field, model) {
  const isInput = model?.inputs.some(({ name }) => name === field);
  if (!isInput && hasWords(`output.${field}`)) return words(`output.${field}`);
  return model ? nameOfField(model, field) : field;
}

function nameOf({ field, summary }, model) {
  const name = nameOfDrifted(field, model);
  return hasWords(`summary.${summary}`) ? words("drift.of", { name, summary: words(`summary.${summary}`) }) : name;
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

const plain = (value) => (value === null || value === undefined ? "–" : typeof value === "number" ? number(value, 3) : String(value));
