// A photo: chosen from files, dropped, or taken with a phone's camera.

import { words } from "./words.js";

const TAKEN = ["image/png", "image/jpeg"]; // by the server, as they are
const PREVIEW = 352; // dots along the longer side
const QUALITY = 0.95;

export class Photo {
  #field;
  #changed;
  #limits;
  #frame = document.createElement("label");
  #preview = document.createElement("canvas");
  #invite = document.createElement("span");
  #chooser = document.createElement("input");
  #hint = document.createElement("p");
  #problem = document.createElement("p");
  #file = null; // what is sent
  #exact = null; // the example's own pixels, while the example is shown
  #turn = 0; // of several files in quick succession the last one counts
  #complaint = ""; // the key of what is wrong

  constructor(field, changed, limits) {
    this.#field = field;
    this.#changed = changed;
    this.#limits = limits;
    this.#frame.className = "photo";
    this.#chooser.type = "file";
    this.#chooser.accept = "image/*";
    this.#chooser.className = "spoken";
    this.#preview.setAttribute("role", "img");
    this.#preview.hidden = true;
    this.#hint.className = "hint";
    this.#hint.id = `field-${field.name}-hint`;
    this.#problem.className = "problem";
    this.#problem.setAttribute("role", "alert");
    this.#chooser.setAttribute("aria-describedby", this.#hint.id);
    this.#frame.append(this.#chooser, this.#invite, this.#preview);
    this.#chooser.addEventListener("change", () => {
      if (this.#chooser.files.length) this.#take(this.#chooser.files[0]);
      // So that the same file can be chosen again.
      this.#chooser.value = "";
    });
    for (const kind of ["dragenter", "dragover"]) this.#frame.addEventListener(kind, (event) => this.#over(event, true));
    this.#frame.addEventListener("dragleave", (event) => this.#over(event, false));
    this.#frame.addEventListener("drop", (event) => {
      this.#over(event, false);
      if (event.dataTransfer.files.length) this.#take(event.dataTransfer.files[0]);
    });
  }

  /** The elements to show. */
  get elements() {
    return [this.#frame, this.#problem, this.#hint];
  }

  name(text) {
    this.#chooser.setAttribute("aria-label", words("photo.label", { name: text }));
    this.#preview.setAttribute("aria-label", words("photo.preview", { name: text }));
    this.#invite.textContent = words("photo.choose");
    const [height, width] = this.#field.shape;
    this.#hint.textContent = words("photo.hint", { height, width });
    this.#complain(this.#complaint);
  }

  clear() {
    this.#turn += 1;
    this.#file = this.#exact = null;
    this.#complain("");
    this.#show(false);
    this.#changed();
  }

  example() {
    this.clear();
    const [height, width] = this.#field.shape;
    this.#exact = this.#field.example;
    this.#draw(pixels(this.#field, this.#exact), width, height);
    this.#changed();
  }

  /** What to send: the file, or the example's own pixels. Null while there is none. */
  async read() {
    return this.#exact ? { [this.#field.name]: this.#exact } : this.#file;
  }

  /** The same for an image among other inputs: a file in base64. */
  async value() {
    if (this.#exact || !this.#file) return this.#exact ?? undefined;
    const bytes = new Uint8Array(await this.#file.arrayBuffer());
    return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  }

  async #take(file) {
    const turn = ++this.#turn;
    let picture;
    try {
      // Upright, as the camera says it was held.
      picture = await createImageBitmap(file, { imageOrientation: "from-image" });
    } catch {
      if (turn !== this.#turn) return;
      this.clear();
      this.#complain("photo.unreadable");
      return;
    }
    const sent = await this.#fitting(file, picture);
    if (turn !== this.#turn) return;
    this.#file = sent;
    this.#exact = null;
    this.#complain("");
    this.#draw(picture, picture.width, picture.height);
    this.#changed();
  }

  /** The file itself if the server takes it, else the same picture smaller, as JPEG. */
  async #fitting(file, picture) {
    const { max_pixels, max_body_bytes } = this.#limits;
    // In base64, among other inputs, four bytes stand for three.
    const max_bytes = 0.7 * max_body_bytes;
    const size = picture.width * picture.height;
    if (TAKEN.includes(file.type) && size <= max_pixels && file.size <= max_bytes) return file;
    for (let scale = Math.min(1, Math.sqrt(max_pixels / size)); ; scale *= 0.7) {
      const [width, height] = [picture.width, picture.height].map((side) => Math.max(1, Math.floor(side * scale)));
      const canvas = new OffscreenCanvas(width, height);
      const context = canvas.getContext("2d");
      // What is transparent shows white, as on the server.
      context.fillStyle = "#ffffff";
      context.fillRect(0, 0, width, height);
      context.imageSmoothingQuality = "high";
      context.drawImage(picture, 0, 0, width, height);
      const smaller = await canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY });
      if (smaller.size <= max_bytes || width * height === 1) return smaller;
    }
  }

  #draw(picture, width, height) {
    const scale = PREVIEW / Math.max(width, height);
    this.#preview.width = Math.max(1, Math.round(width * scale));
    this.#preview.height = Math.max(1, Math.round(height * scale));
    const context = this.#preview.getContext("2d");
    context.imageSmoothingEnabled = scale < 1;
    context.drawImage(picture, 0, 0, this.#preview.width, this.#preview.height);
    this.#show(true);
  }

  #show(picture) {
    this.#preview.hidden = !picture;
    this.#invite.hidden = picture;
  }

  #over(event, inside) {
    // Otherwise the browser would open the file.
    event.preventDefault();
    this.#frame.classList.toggle("over", inside);
  }

  #complain(key) {
    this.#complaint = key;
    this.#problem.textContent = key && words(key);
  }
}

/** A photo's values as a canvas of its size. */
export function pixels(field, values) {
  const [height, width] = field.shape;
  const { minimum, maximum, channels } = field;
  const [low, high] = [minimum ?? 0, maximum ?? 1];
  const image = new ImageData(width, height);
  for (let place = 0; place < width * height; place += 1) {
    for (let part = 0; part < 3; part += 1) {
      const value = values[place * channels + (channels === 3 ? part : 0)];
      image.data[4 * place + part] = Math.round((255 * (value - low)) / (high - low));
    }
    image.data[4 * place + 3] = 255;
  }
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}
