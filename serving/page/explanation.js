// Which parts of the input mattered: blue is evidence for the answer, orange against it.

import { inks } from "./canvas.js";
import { own } from "./own.js";
import { pixels } from "./photo.js";
import { difference, words } from "./words.js";

const SUPPORTS = [31, 111, 235];
const OPPOSES = [226, 110, 10];
const CELLS = 240; // dots along the longer side
// Parts that matter less than this share of the strongest get no colour.
const LITTLE = 0.04;

export function showExplanation(container, fields, instance, explanation, output, nameOf) {
  container.replaceChildren(heading(fields));
  const of = explanation.of;
  const regression = output.task === "regression";
  const single = fields.filter((field) => !Array.isArray(own(explanation.falls_by, field.name)));
  for (const field of fields) {
    const falls = own(explanation.falls_by, field.name);
    if (field.kind === "image") container.append(picture(field, own(instance, field.name), falls, of));
    else if (field.kind === "text") container.append(marked(own(explanation.texts, field.name), falls));
  }
  if (single.length) container.append(bars(single, explanation.falls_by, nameOf, regression));
  container.append(legend(fields, of, regression));
  container.hidden = false;
}

function heading(fields) {
  const title = document.createElement("h2");
  title.id = "explanation-heading";
  title.textContent = words(fields.some((field) => field.kind === "image") ? "explain.image" : "explain.fields");
  return title;
}

/** How much each part mattered, from -1 to 1 relative to the strongest. */
function shares(falls) {
  const strongest = Math.max(...falls.map(Math.abs), 1e-6);
  return falls.map((fall) => fall / strongest);
}

function colour(part) {
  if (Math.abs(part) < LITTLE) return null;
  // The square root makes the middle of the scale easier to see.
  return `rgb(${(part > 0 ? SUPPORTS : OPPOSES).join(" ")} / ${0.9 * Math.sqrt(Math.abs(part))})`;
}

function picture(field, values, falls, of) {
  const [rows, columns] = field.shape;
  const parts = shares(falls);
  const figures = document.createElement("div");
  figures.className = "pictures";
  for (const name of ["explain.seen", "explain.mattered"]) {
    const figure = document.createElement("figure");
    const canvas = document.createElement("canvas");
    const caption = document.createElement("figcaption");
    caption.textContent = words(name);
    canvas.width = (CELLS * columns) / Math.max(rows, columns);
    canvas.height = (CELLS * rows) / Math.max(rows, columns);
    const [context, shown] = [canvas.getContext("2d"), name === "explain.seen" ? null : parts];
    if (field.photo) paintPhoto(context, canvas.width / columns, columns, pixels(field, values), shown);
    else paint(context, canvas.width / columns, columns, inks(field, values), shown);
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", name === "explain.seen" ? words(name) : told(parts, rows, columns, of));
    figure.append(canvas, caption);
    figures.append(figure);
  }
  return figures;
}

/** Pixels as squares of ink; with parts, as dots on the colour of how much each mattered. */
function paint(context, size, columns, ink, parts) {
  ink.forEach((amount, number) => {
    const [x, y] = [(number % columns) * size, Math.floor(number / columns) * size];
    if (!parts) {
      context.fillStyle = `rgb(0 0 0 / ${amount})`;
      context.fillRect(x, y, size, size);
      return;
    }
    const tint = colour(parts[number]);
    if (tint) {
      context.fillStyle = tint;
      context.fillRect(x, y, size, size);
    }
    // Its area is the amount of ink, so that the colour around it stays visible.
    const side = size * 0.62 * Math.sqrt(amount);
    context.fillStyle = "rgb(0 0 0 / 0.8)";
    context.beginPath();
    context.arc(x + size / 2, y + size / 2, side / 2, 0, 2 * Math.PI);
    context.fill();
  });
}

/** A photo as it is; with parts, pale and grey under the colour of how much each mattered. */
function paintPhoto(context, size, columns, photo, parts) {
  const { width, height } = context.canvas;
  context.imageSmoothingEnabled = false;
  if (parts) context.filter = "grayscale(1) contrast(0.6) brightness(1.4)";
  context.drawImage(photo, 0, 0, width, height);
  context.filter = "none";
  (parts ?? []).forEach((part, number) => {
    const tint = colour(part);
    if (!tint) return;
    context.fillStyle = tint;
    context.fillRect((number % columns) * size, Math.floor(number / columns) * size, size, size);
  });
}

function told(parts, rows, columns, of) {
  const strengths = parts.map(Math.abs);
  const strongest = strengths.indexOf(Math.max(...strengths));
  return words("explain.alt", {
    rows,
    columns,
    of,
    supporting: parts.filter((part) => part >= LITTLE).length,
    against: parts.filter((part) => part <= -LITTLE).length,
    row: Math.floor(strongest / columns) + 1,
    column: (strongest % columns) + 1,
  });
}

function marked(text, falls) {
  const paragraph = document.createElement("p");
  paragraph.className = "marked";
  const parts = shares(falls);
  Array.from(text).forEach((character, number) => {
    const mark = document.createElement("span");
    mark.textContent = character;
    mark.style.backgroundColor = colour(parts[number]) ?? "";
    paragraph.append(mark);
  });
  return paragraph;
}

function bars(fields, fallsBy, nameOf, regression) {
  const parts = shares(fields.map((field) => own(fallsBy, field.name)));
  const list = document.createElement("ul");
  list.className = "diverging";
  const order = fields.map((_, number) => number).sort((a, b) => Math.abs(parts[b]) - Math.abs(parts[a]));
  for (const place of order) {
    const field = fields[place];
    const item = document.createElement("li");
    const label = document.createElement("span");
    const track = document.createElement("span");
    const bar = document.createElement("span");
    const value = document.createElement("span");
    label.textContent = nameOf(field);
    track.className = "track";
    track.setAttribute("aria-hidden", "true");
    bar.className = parts[place] < 0 ? "against" : "for";
    bar.style.width = `${Math.abs(parts[place]) * 50}%`;
    value.className = "value";
    value.textContent = difference(own(fallsBy, field.name), !regression);
    track.append(bar);
    item.append(label, track, value);
    list.append(item);
  }
  return list;
}

function legend(fields, of, regression) {
  const note = document.createElement("div");
  note.className = "legend";
  const keys = regression ? ["explain.raises", "explain.little", "explain.lowers"] : ["explain.for", "explain.little", "explain.against"];
  keys.forEach((key, number) => {
    const entry = document.createElement("span");
    const swatch = document.createElement("i");
    swatch.className = ["for", "little", "against"][number];
    entry.append(swatch, words(key, { of }));
    note.append(entry);
  });
  const how = document.createElement("p");
  how.className = "hint";
  const kinds = new Set(fields.map(({ kind, photo }) => (photo ? "photo" : kind === "image" || kind === "text" ? kind : "table")));
  how.textContent = [...kinds].map((kind) => words(`explain.how.${kind}`)).join(" ");
  note.append(how);
  return note;
}
