// Light, dark, or as the system has it; and the colours of the moment, for pictures on a canvas.

import { find, setText } from "./dom.js";

const ORDER = ["system", "light", "dark"];
const KEY = "mm-trio-colours";

function read() {
  try {
    const kept = localStorage.getItem(KEY);
    return ORDER.includes(kept) ? kept : "system";
  } catch {
    return "system";
  }
}

function apply(choice, onChange) {
  if (choice === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = choice;
  setText(find("theme-words"), `Colours: ${choice}`);
  onChange();
}

export function followTheme(onChange) {
  let choice = read();
  apply(choice, () => {});
  find("theme").addEventListener("click", () => {
    choice = ORDER[(ORDER.indexOf(choice) + 1) % ORDER.length];
    try {
      localStorage.setItem(KEY, choice);
    } catch {
      // It holds until the page is loaded again.
    }
    apply(choice, onChange);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", onChange);
}

let probe = null;

/** Return a colour of the style sheet as a canvas takes it. */
export function colour(name) {
  if (probe === null) {
    probe = document.createElement("span");
    probe.hidden = true;
    document.body.append(probe);
  }
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
}
