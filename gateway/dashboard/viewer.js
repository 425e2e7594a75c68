// A picture as large as the window, with all that was found in it beside; the arrow keys go to its neighbours.

import { at, make, show } from "./dom.js";
import { count } from "./words.js";

const SCORES_SHOWN = 12;

// By figure: its result, and what makes a picture of it anew.
const known = new WeakMap();
let open = null;

export const hueOf = (classId) => Math.round(((classId * 0.618034) % 1) * 360);

// Lets `shown` in `figure` be enlarged; `copy` gives another element that shows the same.
export function opens(figure, result, shown, copy) {
  known.set(figure, { result, copy });
  const button = make("button", { type: "button", class: "enlarge", on: { click: () => enlarge(figure) } },
    shown, make("span", { class: "unseen" }, "Enlarge"));
  figure.prepend(button);
  return button;
}

function enlarge(figure) {
  open = figure;
  const { result, copy } = known.get(figure);
  const before = neighbour(-1);
  const after = neighbour(1);
  const viewer = at("viewer");
  show(viewer,
    make("div", { class: "viewer-picture" }, copy()),
    make("div", { class: "viewer-side" },
      make("div", { class: "heading" },
        make("h2", { id: "viewer-title" }, result.name),
        make("button", { type: "button", class: "small", "data-focus": "close", on: { click: () => viewer.close() } }, "Close")),
      make("p", { class: "soft" }, `${result.width} × ${result.height} pixels, ${count(result.detections.length, "object")}`),
      make("ul", { class: "classes" }, classes(result.detections)),
      make("p", { class: "viewer-steps" },
        step("←", "Previous picture", before), step("→", "Next picture", after))));
  if (!viewer.open) viewer.showModal();
}

function step(sign, label, to) {
  return make("button", { type: "button", class: "small", "aria-label": label, "data-focus": label, disabled: to === null, on: { click: () => enlarge(to) } }, sign);
}

function neighbour(by) {
  const all = [...open.parentElement.querySelectorAll("figure")].filter((figure) => known.has(figure));
  return all[all.indexOf(open) + by] ?? null;
}

function classes(detections) {
  const byLabel = new Map();
  for (const found of detections) byLabel.set(found.label, [...(byLabel.get(found.label) ?? []), found]);
  return [...byLabel].sort(([, a], [, b]) => b.length - a.length).map(([label, found]) => {
    const scores = found.map(({ score }) => score).sort((a, b) => b - a);
    const swatch = make("i", { class: "key" });
    swatch.style.setProperty("--tone", `hsl(${hueOf(found[0].class_id)} 89% 54%)`);
    const rest = scores.length > SCORES_SHOWN ? " …" : "";
    return make("li", {}, make("span", { class: "class" }, swatch, label), make("strong", {}, `${found.length}`),
      make("span", { class: "soft scores" }, scores.slice(0, SCORES_SHOWN).map((score) => score.toFixed(2)).join("  ") + rest));
  });
}

export function startViewer() {
  const viewer = at("viewer");
  viewer.addEventListener("keydown", (event) => {
    const to = { ArrowLeft: neighbour(-1), ArrowRight: neighbour(1) }[event.key];
    if (to) enlarge(to);
  });
  // A click beside the picture is on the dialog itself.
  viewer.addEventListener("click", (event) => { if (event.target === viewer) viewer.close(); });
  viewer.addEventListener("close", () => {
    show(viewer);
    open?.querySelector(".enlarge")?.focus();
    open = null;
  });
}
