// Paper to draw an image on: with the mouse, a finger, a pen, or the keyboard.

import { words } from "./words.js";

const SIDE = 320; // dots along the longer side
const PEN = 1 / 13; // of the shorter side
const STEP = 1 / 40;
const LARGE_STEP = 1 / 10;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Paper {
  #field;
  #canvas = document.createElement("canvas");
  #pen = document.createElement("span");
  #state = document.createElement("p");
  #hint = document.createElement("p");
  #changed;
  #at = null; // where the pointer was
  #key = { x: 0.5, y: 0.5, down: false }; // the pen of the keyboard
  #blank = true;
  #exact = null; // the example's own pixels, while the example is shown

  constructor(field, changed) {
    this.#field = field;
    this.#changed = changed;
    const [height, width] = field.shape;
    this.#canvas.width = Math.round((SIDE * width) / Math.max(width, height));
    this.#canvas.height = Math.round((SIDE * height) / Math.max(width, height));
    this.#canvas.tabIndex = 0;
    this.#canvas.setAttribute("role", "application");
    this.#canvas.id = `field-${field.name}`;
    this.#pen.className = "pen";
    this.#hint.className = "hint";
    this.#hint.id = `${this.#canvas.id}-hint`;
    this.#canvas.setAttribute("aria-describedby", this.#hint.id);
    this.#state.className = "hint";
    this.#state.setAttribute("role", "status");
    this.#canvas.addEventListener("pointerdown", (event) => this.#press(event));
    this.#canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const end of ["pointerup", "pointercancel"]) {
      this.#canvas.addEventListener(end, () => (this.#at = null));
    }
    this.#canvas.addEventListener("keydown", (event) => this.#type(event));
    // Keyboard users need to see the pen.
    this.#canvas.addEventListener("keyup", (event) => event.key === "Tab" && this.#showPen());
  }

  /** The elements to show. */
  get elements() {
    const paper = document.createElement("div");
    paper.className = "paper";
    paper.append(this.#canvas, this.#pen);
    return [paper, this.#state, this.#hint];
  }

  name(text) {
    this.#canvas.setAttribute("aria-label", words("canvas.label", { name: text }));
    this.#hint.textContent = words("canvas.hint");
    if (this.#state.textContent) this.#sayPen();
  }

  clear() {
    this.#context.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    this.#blank = true;
    this.#exact = null;
    this.#changed();
  }

  example() {
    this.clear();
    const [height, width] = this.#field.shape;
    this.#exact = this.#field.example;
    this.#blank = false;
    const context = this.#context;
    const size = this.#canvas.width / width;
    inks(this.#field, this.#exact).forEach((ink, number) => {
      context.fillStyle = `rgb(0 0 0 / ${ink})`;
      context.fillRect((number % width) * size, Math.floor(number / width) * size, size, size);
    });
  }

  /** What to send: the picture as a PNG file, or the example's own pixels. Null while nothing is drawn. */
  async read() {
    if (this.#blank) return null;
    if (this.#exact) return { [this.#field.name]: this.#exact };
    return new Promise((give) => this.#canvas.toBlob(give, "image/png"));
  }

  /** The drawing as pixels, for an image among other inputs, where no file can be sent. */
  pixels() {
    if (this.#blank) return null;
    if (this.#exact) return this.#exact;
    const [height, width] = this.#field.shape;
    const small = new OffscreenCanvas(width, height).getContext("2d");
    small.imageSmoothingQuality = "high";
    small.drawImage(this.#canvas, 0, 0, width, height);
    const { data } = small.getImageData(0, 0, width, height);
    const { minimum, maximum, step } = range(this.#field);
    return Array.from({ length: width * height }, (_, number) => {
      const value = minimum + ((maximum - minimum) * data[4 * number + 3]) / 255;
      return step ? Math.round(value / step) * step : value;
    });
  }

  get #context() {
    return this.#canvas.getContext("2d");
  }

  #press(event) {
    if (event.button !== 0) return;
    this.#pen.classList.remove("shown");
    this.#canvas.setPointerCapture(event.pointerId);
    this.#at = this.#place(event);
    this.#draw(this.#at, this.#at);
  }

  #move(event) {
    if (!this.#at) return;
    // A fast hand moves between two frames; the browser has kept the positions.
    const passed = event.getCoalescedEvents?.() ?? [];
    for (const one of passed.length ? passed : [event]) {
      const next = this.#place(one);
      this.#draw(this.#at, next);
      this.#at = next;
    }
  }

  #type(event) {
    if (event.key === " ") {
      this.#key.down = !this.#key.down;
      if (this.#key.down) this.#draw(this.#key, this.#key);
      this.#sayPen();
    } else if (event.key in ARROWS) {
      const [right, down] = ARROWS[event.key];
      const step = event.shiftKey ? LARGE_STEP : STEP;
      const from = { ...this.#key };
      this.#key.x = Math.min(1, Math.max(0, this.#key.x + right * step));
      this.#key.y = Math.min(1, Math.max(0, this.#key.y + down * step));
      if (this.#key.down) this.#draw(from, this.#key);
      if (!this.#state.textContent) this.#sayPen();
    } else {
      return;
    }
    event.preventDefault();
    this.#showPen();
  }

  #showPen() {
    this.#pen.style.left = `${this.#key.x * 100}%`;
    this.#pen.style.top = `${this.#key.y * 100}%`;
    this.#pen.classList.toggle("down", this.#key.down);
    this.#pen.classList.add("shown");
  }

  #sayPen() {
    this.#state.textContent = words(this.#key.down ? "pen.down" : "pen.up");
  }

  /** The position of an event, as shares of the paper. */
  #place(event) {
    const box = this.#canvas.getBoundingClientRect();
    return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
  }

  #draw(from, to) {
    // A drawing begins on clean paper, not on the example.
    if (this.#exact) this.clear();
    const { width, height } = this.#canvas;
    const context = this.#context;
    context.lineWidth = PEN * Math.min(width, height);
    context.lineCap = context.lineJoin = "round";
    context.beginPath();
    context.moveTo(from.x * width, from.y * height);
    // A line without length is not drawn; one that is too short to be seen is drawn, with its round ends: a dot.
    context.lineTo(to.x * width + (from.x === to.x && from.y === to.y ? 0.01 : 0), to.y * height);
    context.stroke();
    this.#blank = false;
    this.#changed();
  }
}

function range(field) {
  return { minimum: field.minimum ?? 0, maximum: field.maximum ?? 1, step: field.step };
}

/** An image's values as ink, from 0 to 1. */
export function inks(field, values) {
  const { minimum, maximum } = range(field);
  return values.map((value) => Math.min(1, Math.max(0, (value - minimum) / (maximum - minimum))));
}
