// One logged input, as somebody who labels it has to see it: a picture is drawn, the rest is a list, a text is a text.

import { inks } from "./canvas.js";
import { own } from "./own.js";
import { pixels } from "./photo.js";
import { exact, words } from "./words.js";

const SIDE = 280; // dots along the longer side

/** The elements that show `inputs`, by name, of these fields. */
export function showInputs(fields, inputs, nameOf) {
  const list = document.createElement("dl");
  list.className = "inputs";
  const elements = [];
  for (const field of fields) {
    const value = own(inputs, field.name);
    if (field.kind === "image" && value) elements.push(picture(field, value, nameOf(field.name)));
    else if (field.kind === "text" && value) elements.push(passage(value));
    else list.append(entry(nameOf(field.name), value));
  }
  return list.children.length ? [...elements, list] : elements;
}

function picture(field, values, name) {
  const [rows, columns] = field.shape;
  const canvas = document.createElement("canvas");
  const size = SIDE / Math.max(rows, columns);
  canvas.width = columns * size;
  canvas.height = rows * size;
  canvas.className = "logged";
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", name);
  const context = canvas.getContext("2d");
  if (field.photo) {
    context.imageSmoothingEnabled = false;
    context.drawImage(pixels(field, values), 0, 0, canvas.width, canvas.height);
  } else {
    inks(field, values).forEach((ink, place) => {
      context.fillStyle = `rgb(0 0 0 / ${ink})`;
      context.fillRect((place % columns) * size, Math.floor(place / columns) * size, size, size);
    });
  }
  return canvas;
}

function passage(text) {
  const paragraph = document.createElement("blockquote");
  paragraph.className = "logged";
  paragraph.textContent = text;
  return paragraph;
}

function entry(name, value) {
  const group = document.createElement("div");
  const term = document.createElement("dt");
  const text = document.createElement("dd");
  term.textContent = name;
  text.textContent = value === null || value === undefined ? words("queue.missing") : typeof value === "number" ? exact(value) : value;
  group.append(term, text);
  return group;
}
