// The key that a server may ask for: kept for this tab alone, and asked for in a dialog.

import { words } from "./words.js";

const NAME = "portfolio-key";
const FORBIDDEN = /[^\x20-\x7e]/u; // no HTTP header has these the same everywhere
const $ = (id) => document.getElementById(id);

let held = stored();
let asking = null;

function stored() {
  try {
    const found = sessionStorage.getItem(NAME);
    return FORBIDDEN.test(found ?? "") ? null : found;
  } catch {
    return null; // where storage is switched off, the key holds until the page is left
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

/** Ask for a key, since the server refused the one that was sent (null: none was). Several calls may find out at once. */
export async function askInsteadOf(refused) {
  if (held !== refused) return; // another one was given meanwhile
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
