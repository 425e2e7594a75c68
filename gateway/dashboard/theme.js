// Light, dark, or as the system has it. The choice stays in this browser.

import { at } from "./dom.js";

const NEXT = { auto: "light", light: "dark", dark: "auto" };
function apply(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  at("theme").textContent = `Colours: ${theme}`;
}

export function startTheme() {
  let theme = localStorage.getItem("tenfold-theme");
  if (!(theme in NEXT)) theme = "auto";
  apply(theme);
  at("theme").addEventListener("click", () => {
    theme = NEXT[theme];
    localStorage.setItem("tenfold-theme", theme);
    apply(theme);
  });
}
