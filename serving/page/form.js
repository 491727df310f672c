// The inputs of the model, as fields to fill in or as paper to draw on.

import { Paper } from "./canvas.js";
import { own } from "./own.js";
import { Photo } from "./photo.js";
import { exact, number, words } from "./words.js";

/** Paper or a photo if the only input is an image, else a form. All have: elements, name(), clear(), example(), read(). */
export function makeInput(fields, changed, limits, examples) {
  const [only] = fields;
  const isSheet = fields.length === 1 && only.kind === "image";
  return isSheet ? new Sheet(only, changed, limits) : new Form(fields, changed, limits, examples);
}

function makePicture(field, changed, limits) {
  return field.photo ? new Photo(field, changed, limits) : new Paper(field, changed);
}

/** Which heading goes with it. */
export function headingOf(fields) {
  const kinds = new Set(fields.map((field) => (field.photo ? "photo" : field.kind)));
  return kinds.size > 1 || kinds.has("number") || kinds.has("category") || kinds.has("date") ? "input.table" : `input.${[...kinds][0]}`;
}

class Sheet {
  #paper;
  #field;

  constructor(field, changed, limits) {
    this.#field = field;
    this.#paper = makePicture(field, changed, limits);
    this.elements = this.#paper.elements;
  }

  name(nameOf) {
    this.#paper.name(nameOf(this.#field));
  }

  clear = () => this.#paper.clear();
  example = () => this.#paper.example();
  read = () => this.#paper.read();
}

class Form {
  #entries;
  #changed;

  constructor(fields, changed, limits, examples) {
    this.#changed = changed;
    this.#entries = fields.map((field, place) => new Entry(field, place, changed, limits, own(examples, field.name)));
    this.elements = this.#entries.map((entry) => entry.element);
  }

  name(nameOf) {
    for (const entry of this.#entries) entry.name(nameOf(entry.field));
  }

  clear() {
    for (const entry of this.#entries) entry.clear();
    this.#changed();
  }

  example() {
    for (const entry of this.#entries) entry.example();
    this.#changed();
  }

  /** {field: value}; null while something is missing or invalid. */
  async read() {
    const values = await Promise.all(this.#entries.map(async (entry) => [entry.field.name, await entry.value()]));
    return values.some(([, value]) => value === undefined) ? null : Object.fromEntries(values);
  }
}

class Entry {
  #control;
  #label = document.createElement("label");
  #hint = document.createElement("span");
  #problem = document.createElement("span");
  #paper = null;
  #examples;

  constructor(field, place, changed, limits, examples) {
    this.field = field;
    this.#examples = [...(examples ?? [field.example])];
    this.element = document.createElement("div");
    this.element.className = `entry ${field.kind}`;
    if (field.kind === "image") {
      this.#paper = makePicture(field, changed, limits);
      this.element.append(this.#label, ...this.#paper.elements);
      return;
    }
    this.#control = makeControl(field);
    // By place: a name may have blanks, and an id may not.
    this.#control.id = `field-${place}`;
    this.#control.required = !field.nullable && field.kind !== "text";
    this.#label.htmlFor = this.#control.id;
    this.#hint.className = "hint";
    this.#hint.id = `${this.#control.id}-hint`;
    this.#problem.className = "problem";
    this.#problem.id = `${this.#control.id}-problem`;
    this.#problem.setAttribute("aria-live", "polite");
    this.#control.setAttribute("aria-describedby", `${this.#hint.id} ${this.#problem.id}`);
    this.#control.addEventListener("input", () => {
      this.#measure();
      this.#control.setAttribute("aria-invalid", String(!this.#control.checkValidity()));
      this.#complain();
      changed();
    });
    this.element.append(this.#label, this.#control, this.#hint, this.#problem);
  }

  name(text) {
    this.#label.textContent = text;
    if (this.#paper) {
      this.#paper.name(text);
      return;
    }
    const { minimum, maximum, nullable } = this.field;
    const hints = [];
    if (["number", "date"].includes(this.field.kind) && (minimum !== null || maximum !== null)) hints.push(this.#allowed);
    if (this.field.kind === "text") hints.push(words("field.length", { count: number(longest(this.field)) }));
    if (nullable) hints.push(words("optional"));
    this.#hint.textContent = hints.join(" · ");
    this.#complain();
  }

  /** Say why there is no answer, if this field is the reason. */
  #complain() {
    const { valid, valueMissing, customError } = this.#control.validity;
    const known = this.#control.getAttribute("aria-invalid") === "true" && !valid;
    const key = valueMissing ? "field.missing" : customError ? "field.too_long" : "field.invalid";
    const counts = customError ? { given: number(this.#length), count: number(longest(this.field)) } : {};
    const text = known ? words(key, { allowed: this.#allowed, ...counts }) : "";
    if (this.#problem.textContent !== text) this.#problem.textContent = text;
  }

  /** Characters as the server counts them: one that takes two places in a string is still one. */
  get #length() {
    return Array.from(this.#control.value).length;
  }

  /** A text that is too long is not cut off without a word, as maxLength would. */
  #measure() {
    if (this.field.kind === "text") this.#control.setCustomValidity(this.#length > longest(this.field) ? "too long" : "");
  }

  /** The values that are allowed, in words. */
  get #allowed() {
    const { minimum, maximum } = this.field;
    const [of, write] = this.field.kind === "date" ? ["field.date", isoDate] : ["field.number", exact];
    const bound = { minimum: write(minimum ?? 0), maximum: write(maximum ?? 0) };
    if (minimum === null && maximum === null) return words(of);
    return words(maximum === null ? "field.from" : minimum === null ? "field.to" : "field.range", bound);
  }

  clear() {
    if (this.#paper) this.#paper.clear();
    else this.#set("");
  }

  example() {
    if (this.#paper) {
      this.#paper.example();
      return;
    }
    this.#set(this.#examples[0]);
    // Another one the next time.
    this.#examples.push(this.#examples.shift());
  }

  /** The value, or a promise of it; null if it is missing and may be; undefined if it is invalid. */
  value() {
    if (this.#paper) return this.field.photo ? this.#paper.value() : (this.#paper.pixels() ?? undefined);
    if (!this.#control.checkValidity()) return undefined;
    const given = this.#control.value;
    if (this.field.kind === "text") return given.trim() ? given : this.field.nullable ? null : undefined;
    if (given === "") return null;
    return this.field.kind === "number" ? Number(given) : given;
  }

  #set(value) {
    this.#control.value = value;
    this.#measure();
    this.#control.removeAttribute("aria-invalid");
    this.#complain();
  }
}

/** The text of a date, which a field has in days since 1970-01-01. */
const isoDate = (days) => new Date(days * 86_400_000).toISOString().slice(0, 10);
const longest = (field) => field.max_length ?? 10_000;

function makeControl(field) {
  if (field.kind === "category") {
    const select = document.createElement("select");
    select.append(new Option("", ""), ...field.categories.map((category) => new Option(category, category)));
    return select;
  }
  if (field.kind === "text") {
    const area = document.createElement("textarea");
    area.rows = 4;
    return area;
  }
  const input = document.createElement("input");
  if (field.kind === "date") {
    input.type = "date";
    if (field.minimum !== null) input.min = isoDate(field.minimum);
    if (field.maximum !== null) input.max = isoDate(field.maximum);
    return input;
  }
  input.type = "number";
  input.step = field.step ?? "any";
  if (field.minimum !== null) input.min = field.minimum;
  if (field.maximum !== null) input.max = field.maximum;
  input.inputMode = "decimal";
  return input;
}
