// What happened to the served model: the same symbols in the plots and in the list.

import { own } from "./own.js";
import { moment, words } from "./words.js";

const SYMBOLS = { deployed: "▲", drift: "≈", harm: "!", retraining: "↻", promoted: "★", refused: "✕", rolled_back: "↩", quarantined: "⊘" };

export const eventSymbol = (kind) => own(SYMBOLS, kind) ?? "•";

/** One event in words; `nameOf` names a field. */
export function eventText({ kind, model_version: version, figures }, nameOf) {
  const known = Object.hasOwn(SYMBOLS, kind);
  const fields = (figures.fields ?? []).map(nameOf).join(", ");
  return words(known ? `event.${kind}` : "event.other", { kind: kind.replaceAll("_", " "), version: version ?? "–", batch: "", ...figures, fields });
}

/** The list, the newest first. */
export function drawEvents(list, events, nameOf) {
  list.replaceChildren(
    ...[...events].reverse().map((event) => {
      const item = document.createElement("li");
      const symbol = document.createElement("span");
      const time = document.createElement("time");
      symbol.className = `symbol ${event.kind}`;
      symbol.setAttribute("aria-hidden", "true");
      symbol.textContent = eventSymbol(event.kind);
      time.dateTime = event.at;
      time.textContent = moment(event.at);
      item.append(symbol, time, ` ${eventText(event, nameOf)}`);
      return item;
    }),
  );
}
