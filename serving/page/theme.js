// Light or dark: the system's choice, until the toggle says otherwise.
const system = matchMedia("(prefers-color-scheme: dark)");

function storedTheme() {
  try {
    return localStorage.getItem("theme");
  } catch {
    return null; // without storage, the choice lasts until the page is left
  }
}

function currentTheme() {
  return document.documentElement.dataset.theme;
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  dispatchEvent(new Event("theme"));
}

function toggleTheme() {
  const theme = currentTheme() === "dark" ? "light" : "dark";
  try {
    localStorage.setItem("theme", theme);
  } catch {
    // as above
  }
  setTheme(theme);
}

setTheme(storedTheme() ?? (system.matches ? "dark" : "light"));
system.addEventListener("change", () => storedTheme() ?? setTheme(system.matches ? "dark" : "light"));
