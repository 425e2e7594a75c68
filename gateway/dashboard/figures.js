// The four figures at the top: rates, what waits, how long it waits, and the room there is.

import { lines, stacked } from "./charts.js";
import { at, make, show } from "./dom.js";
import { count, duration, number, rate } from "./words.js";

const STEPS = 150;

export const levelTone = (level) => `level-${level % 4}`;

// The highest point of a chart, as its foot names it.
function most(values, inWords) {
  const there = values.filter((value) => value !== null && value !== undefined);
  return there.length && Math.max(...there) > 0 ? `at most ${inWords(Math.max(...there))}` : "";
}

const latest = (values) => values.findLast((value) => value !== null) ?? null;

export function showFigures(queues, workers) {
  const { samples, every_ms: everyMs } = queues.history;
  const steps = Math.max(30, Math.min(STEPS, samples.length));
  const minutes = Math.max(1, Math.round((steps * everyMs) / 60_000));
  const span = `over the last ${minutes} min`;
  const since = `last ${minutes} min`;
  showRate(queues, samples, steps, span, since);
  showWaiting(queues, samples, steps, span, since);
  showWaits(samples, steps, span, since);
  showRoom(queues, workers);
}

function figure(id, title, value, unit, note, chart) {
  show(at(id),
    make("h2", {}, title),
    make("p", { class: "value" }, value, unit ? make("small", {}, ` ${unit}`) : null),
    make("p", { class: "note" }, note), chart);
}

function showRate(queues, samples, steps, span, since) {
  const arrived = queues.queues.reduce((sum, queue) => sum + (queue.arrived_per_s ?? 0), 0);
  const done = queues.drain_items_per_s ?? 0;
  figure("figure-rate", "Done", rate(done), "images/s", keys([["soft", `${rate(arrived)} arriving`], ["accent", "done"]]),
    lines(`Images a second ${span}: ${rate(arrived)} arriving, ${rate(done)} done now`, [
      { name: "arriving", tone: "soft", values: samples.map((one) => one.arrived_per_s) },
      { name: "done", tone: "accent", values: samples.map((one) => one.done_per_s) },
    ], steps, [since, most(samples.flatMap((one) => [one.arrived_per_s, one.done_per_s]), (top) => `${rate(top)}/s`)]));
}

function showWaiting(queues, samples, steps, span, since) {
  const waiting = levelsOf(queues).map(([level, list]) => [level, list.reduce((sum, queue) => sum + queue.waiting_items, 0)]);
  const total = waiting.reduce((sum, [, items]) => sum + items, 0);
  figure("figure-waiting", "Waiting", total.toLocaleString("en"), total === 1 ? "image" : "images",
    keys(waiting.map(([level, items]) => [levelTone(level), `level ${level}: ${items.toLocaleString("en")}`])),
    stacked(`Waiting images by level ${span}: ${total} now`, waiting.map(([level]) => ({
      name: `level ${level}`, tone: levelTone(level), values: samples.map((one) => one.waiting[level] ?? 0),
    })), steps, [since, most(samples.map((one) => one.waiting.reduce((sum, items) => sum + items, 0)), number)]));
}

function showWaits(samples, steps, span, since) {
  const levels = samples.length ? samples[samples.length - 1].waiting.map((_, level) => level) : [0];
  const p50 = levels.map((level) => latest(samples.map((one) => one.p50_ms[level] ?? null)));
  const p99 = latest(samples.map((one) => one.p99_ms[0] ?? null));
  figure("figure-waits", "Median wait, level 0", duration(p50[0]), "",
    keys([["", `p99 ${duration(p99)}`], ...levels.slice(1).map((level) => [levelTone(level), `level ${level}: ${duration(p50[level])}`])]),
    lines(`Median wait by level ${span}: ${levels.map((level) => `level ${level} ${duration(p50[level])}`).join(", ")}`,
      levels.map((level) => ({
        // Seconds at the last level would flatten milliseconds at the first: a logarithm shows both.
        name: `level ${level}`, tone: levelTone(level),
        values: samples.map((one) => (one.p50_ms[level] === null || one.p50_ms[level] === undefined ? null : Math.log10(1 + one.p50_ms[level]))),
      })), steps, [since, most(samples.flatMap((one) => one.p50_ms), duration)]));
}

function showRoom(queues, workers) {
  const busy = workers.filter((worker) => worker.state === "busy").length;
  const { items, items_max: itemsMax } = queues.queued;
  const part = Math.min(100, (100 * items) / itemsMax);
  figure("figure-room", "Workers", `${busy} of ${workers.length}`, "busy",
    `${count(items, "image")} in the system, ${itemsMax.toLocaleString("en")} at most`,
    make("div", { class: "room" },
      make("div", { class: "dots" }, workers.slice(0, 40).map((worker) => make("i", { class: worker.state, title: `${worker.name}: ${worker.state}` }))),
      make("meter", { min: 0, max: 100, high: 80, value: part, "aria-label": `${part.toFixed(0)} % of the queue's room is taken` })));
}

function keys(list) {
  return make("span", { class: "keys" }, list.map(([tone, text]) => make("span", {}, tone ? make("i", { class: `key ${tone}` }) : null, text)));
}

export function levelsOf(queues) {
  const levels = new Map();
  for (const queue of queues.queues) levels.set(queue.level, [...(levels.get(queue.level) || []), queue]);
  return [...levels].sort(([a], [b]) => a - b);
}
