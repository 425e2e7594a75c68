// Small charts in SVG: lines and stacked areas over the last minutes.

import { draw, make } from "./dom.js";

const WIDE = 260;
const HIGH = 56;
const GAP = 2;

// series: [{ name, tone, values }] with null where there is nothing; the newest is last and every value is one step.
// `scale` is what stands below: how far back it goes, and the highest point in words.
export function lines(label, series, steps, scale) {
  const top = peak(series.flatMap((one) => one.values));
  const paths = series.flatMap(({ name, tone, values }) => [
    draw("path", { class: `line ${tone}`, d: path(values, steps, top) }, draw("title", {}, name)),
    ...tip(values, steps, top, tone),
  ]);
  return frame(label, paths, scale);
}

export function stacked(label, series, steps, scale) {
  const totals = Array.from({ length: Math.max(0, ...series.map((one) => one.values.length)) }, () => 0);
  const floors = series.map(({ values }) => {
    const floor = [...totals];
    values.forEach((value, place) => { totals[place] += value ?? 0; });
    return floor;
  });
  const top = peak(totals);
  const areas = series.map(({ name, tone, values }, index) => {
    const roof = values.map((value, place) => floors[index][place] + (value ?? 0));
    const there = path(roof, steps, top);
    const back = path(floors[index].slice(0, values.length), steps, top, true);
    return draw("path", { class: `area ${tone}`, d: there ? `${there} ${back} Z` : "" }, draw("title", {}, name));
  });
  return frame(label, areas, scale);
}

function frame(label, content, [since, peak]) {
  const chart = draw("svg", { class: "chart", viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: "none", role: "img", "aria-label": label },
    draw("line", { class: "floor", x1: 0, x2: WIDE, y1: HIGH - 0.5, y2: HIGH - 0.5 }), ...content);
  return make("div", { class: "charted" }, chart,
    make("p", { class: "scale", "aria-hidden": "true" }, make("span", {}, since), make("span", {}, peak)));
}

const peak = (values) => Math.max(1e-9, ...values.filter((value) => value !== null)) * 1.08;

const x = (place, length, steps) => WIDE - 3 - ((length - 1 - place) / Math.max(1, steps - 1)) * (WIDE - 6);

const y = (value, top) => HIGH - GAP - (value / top) * (HIGH - 2 * GAP);

const point = (value, place, length, steps, top) => `${x(place, length, steps).toFixed(1)},${y(value, top).toFixed(1)}`;

// A line over what is there; a missing value is bridged, since nothing that waited says nothing of waits.
function path(values, steps, top, backwards = false) {
  const points = values.map((value, place) => (value === null ? null : point(value, place, values.length, steps, top))).filter(Boolean);
  if (points.length === 0) return "";
  return backwards ? `L${points.reverse().join(" L")}` : `M${points.join(" L")}`;
}

function tip(values, steps, top, tone) {
  const place = values.findLastIndex((value) => value !== null);
  if (place < 0) return [];
  const [cx, cy] = point(values[place], place, values.length, steps, top).split(",");
  return [draw("path", { class: `tip ${tone}`, d: `M${cx},${cy} h0.01` })];
}
