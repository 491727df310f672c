// The API key, if the server requires one: asked for in a dialog, and kept for this tab only.

import { words } from "./words.js";

// The operator's page has one of its own.
const NAME = document.documentElement.dataset.key ?? "portfolio-key";
const FORBIDDEN = /[^\x20-\x7e]/u; // HTTP headers can only carry ASCII reliably
const $ = (id) => document.getElementById(id);

let held = stored();
let asking = null;

function stored() {
  try {
    const found = sessionStorage.getItem(NAME);
    return FORBIDDEN.test(found ?? "") ? null : found;
  } catch {
    return null; // without storage, the key lasts until the page is left
  }
}

function keep(given) {
  held = given;
  try {
    sessionStorage.setItem(NAME, given);
  } catch {
    // as above
  }
}

/** The key, or null. */
export const key = () => held;

/** Ask for a key, because the server refused the one that was sent (null: none). Several calls may do so at once. */
export async function askInsteadOf(refused) {
  if (held !== refused) return; // another key was given meanwhile
  asking ??= ask(refused !== null).finally(() => (asking = null));
  await asking;
}

function ask(wasWrong) {
  const dialog = $("key");
  const field = $("key-value");
  complain(wasWrong ? words("key.wrong") : "");
  dialog.showModal();
  return new Promise((give) => {
    dialog.querySelector("form").onsubmit = (event) => {
      event.preventDefault();
      const given = field.value.trim();
      const [forbidden] = FORBIDDEN.exec(given) ?? [];
      if (!given || forbidden) {
        complain(forbidden ? words("key.forbidden", { character: forbidden }) : words("key.empty"));
        field.select();
        return;
      }
      keep(given);
      field.value = "";
      dialog.close();
      give();
    };
    // Without a key there is nothing to go back to.
    dialog.oncancel = (event) => event.preventDefault();
  });
}

function complain(text) {
  $("key-error").textContent = text;
  $("key-error").hidden = text === "";
  $("key-value").setAttribute("aria-invalid", String(text !== ""));
}
