// The controls with which a true label is given: a button a class, a list of many classes, or a number.

import { amount, words } from "./words.js";

// More classes than this are chosen from a list.
const MAX_BUTTONS = 30;
const KEYS = "1234567890";

/** Fill the group. `give` is called with a label, and how it is shown; `heading` is the id of what names the controls. */
export function drawLabels(group, output, heading, give) {
  const { classes, unit } = output;
  group.replaceChildren();
  group.classList.toggle("short", classes.length > 0 && classes.every((name) => name.length <= 2));
  if (classes.length && classes.length <= MAX_BUTTONS) {
    for (const name of classes) {
      const button = makeButton(name, () => give(name, name));
      button.dataset.label = name;
      group.append(button);
    }
  } else if (classes.length) {
    const select = document.createElement("select");
    select.append(new Option(words("feedback.choose"), ""), ...classes.map((name) => new Option(name, name)));
    select.setAttribute("aria-labelledby", heading);
    group.append(select, makeButton(words("feedback.send"), () => select.value && give(select.value, select.value)));
  } else {
    const input = document.createElement("input");
    input.type = "number";
    input.step = "any";
    input.inputMode = "decimal";
    input.setAttribute("aria-labelledby", heading);
    const send = () => input.value !== "" && give(Number(input.value), amount(Number(input.value), unit, true));
    input.addEventListener("keydown", (event) => event.key === "Enter" && send());
    group.append(input, makeButton(words("feedback.send"), send));
  }
}

/** Whether each class has a key of its own name. */
export const haveOwnKeys = (classes) => classes.length > 0 && classes.every((name) => name.length === 1);

/** The key of each class: its own name, or else the digits in order; none for more than those. */
export function keysOf(classes) {
  return haveOwnKeys(classes) ? classes : classes.map((_, place) => KEYS[place] ?? "");
}

/** Whether a key that was pressed is meant for something else. */
export function isElsewhere(event) {
  return event.target.closest("input, textarea, select, dialog") || event.ctrlKey || event.metaKey || event.altKey || event.repeat;
}

function makeButton(text, act) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = text;
  button.addEventListener("click", act);
  return button;
}
