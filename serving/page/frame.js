// What both pages have around them: the notice of what is amiss, and the toggles of language and theme.

import { RequestError } from "./api.js";
import { fillIn, hasWords, language, toggleLanguage, words } from "./words.js";

const $ = (id) => document.getElementById(id);

const OWN = "page";
let complaint = null; // the error that is shown

export function complain(error) {
  if (codeOf(error) === OWN) console.error(error);
  show(error);
}

function show(error) {
  complaint = error;
  drawComplaint();
}

/** That of the server's error; any other error is one of the page itself. */
const codeOf = (error) => (error instanceof RequestError ? error.code : OWN);

export function calm() {
  complaint = null;
  drawComplaint();
}

/** The code of the error that is shown, if any. */
export const complained = () => complaint && codeOf(complaint);

function drawComplaint() {
  const said = [];
  if (complaint) {
    const key = `error.${codeOf(complaint)}`;
    const known = hasWords(key);
    said.push(words(known ? key : "error.other", { reason: complaint.message }));
    // The server says what is invalid, field by field.
    if (!known || complaint.code === "invalid_request") said.push(complaint.message);
  }
  const text = said.join(" ");
  // Setting the same text again would have it read aloud again.
  if ($("notice").textContent !== text) $("notice").textContent = text;
  $("notice").hidden = text === "";
}

/** All words that stand in the page itself, and those of the frame. */
export function drawFrame() {
  fillIn();
  $("language").textContent = words("language.other");
  $("language").lang = language === "ja" ? "en" : "ja";
  drawTheme();
  drawComplaint();
}

function drawTheme() {
  const other = words(currentTheme() === "dark" ? "theme.light" : "theme.dark");
  $("theme").textContent = other;
  $("theme").setAttribute("aria-label", words("theme.label", { theme: other }));
}

/** `draw` draws everything that depends on the language. */
export function startFrame(draw) {
  // What nobody catches, the browser has written into its console.
  addEventListener("error", ({ error }) => error && show(error));
  addEventListener("unhandledrejection", ({ reason }) => show(reason));
  addEventListener("theme", drawTheme);
  $("theme").addEventListener("click", toggleTheme);
  $("language").addEventListener("click", () => {
    toggleLanguage();
    draw();
  });
  draw();
}
