// The texts of a model's card, in the language that is chosen.

import { language } from "./words.js";

/** The card in this language, or in English where it lacks that. */
export function cardOf(model) {
  const found = { ...model.card.en, ...model.card[language] };
  if (language !== "ja") return found;
  // Line breaks in the YAML file become blanks, which Japanese does not use.
  const joined = (text) => text.replace(/(?<=[\u3000-\u9fff\uff00-\uffef]) +(?=\S)/g, "");
  return Object.fromEntries(Object.entries(found).map(([key, text]) => [key, joined(text)]));
}

export const nameOfField = (model, name) => cardOf(model)[`field.${name}`] ?? name.replaceAll("_", " ");
