// A job's trace as a picture: time to the right, levels downwards, a mark for all that the scheduler did.

import { draw, make } from "./dom.js";
import { levelTone } from "./figures.js";
import { count, duration } from "./words.js";

const HIGH = 34;
const LEFT = 58;
const RIGHT = 16;
const FOOT = 24;
// What concerns a batch stands below the line, what concerns the job above; the course itself shows it going home.
const BELOW = new Set(["moved", "handed_back"]);
const MOVES = new Set(["entered", "sank", "aged", "homed", "moved"]);
export const SIGN = { extended: "+", aged: "▲", sank: "▼", moved: "↑", handed_back: "←", retried: "↻", held_down: "‖" };

const WORDS = {
  entered: "entered the queue",
  extended: "more images were added",
  closed: "closed: no more images follow",
  batched: "put into a batch",
  sank: "sank one level: its allotment was used up",
  aged: "rose to level 0: it had waited too long",
  homed: "went back to its own level",
  moved: "its batch moved to a higher level's queue",
  handed_back: "handed back for something more urgent",
  retried: "waits again: a worker was lost",
  held_down: "held down: its client is ahead of the others",
};

export function timeline(job, trace, wide) {
  if (trace.length === 0) return make("p", { class: "empty" }, "The scheduler has not told anything of it yet.");
  const from = trace[0].at_ms;
  const end = job.finished_at ? Date.parse(job.finished_at) : Math.max(Date.now(), trace[trace.length - 1].at_ms);
  const scale = { from, span: Math.max(1, end - from, trace[trace.length - 1].at_ms - from), wide };
  const levels = Math.max(2, ...trace.map((entry) => entry.level)) + 1;
  const high = levels * HIGH + FOOT;
  return draw("svg", { class: "timeline", viewBox: `0 0 ${wide} ${high}`, width: wide, height: high, role: "img", "aria-label": inWords(job, trace, scale.span) },
    rows(levels, wide), axis(scale, levels), course(trace, scale, end), batches(trace, scale), signs(trace, scale), finish(job, trace, scale, end));
}

const x = (at, { from, span, wide }) => LEFT + ((at - from) / span) * (wide - LEFT - RIGHT);
const y = (level) => level * HIGH + HIGH / 2;

function rows(levels, wide) {
  return Array.from({ length: levels }, (_, level) => [
    draw("rect", { class: level % 2 ? "row odd" : "row", x: 0, y: level * HIGH, width: wide, height: HIGH, rx: 5 }),
    draw("text", { class: "row-name", x: 8, y: y(level) + 4 }, `Level ${level}`),
  ]).flat();
}

function axis(scale, levels) {
  const step = nice(scale.span / Math.max(2, Math.floor(scale.wide / 130)));
  const ticks = [];
  for (let at = 0; at <= scale.span * 1.0001; at += step) ticks.push(at);
  return ticks.map((at) => [
    draw("line", { class: "tick", x1: x(scale.from + at, scale), x2: x(scale.from + at, scale), y1: 0, y2: levels * HIGH + 4 }),
    draw("text", { class: "tick-name", x: x(scale.from + at, scale), y: levels * HIGH + 18 }, at === 0 ? "0" : duration(at)),
  ]).flat();
}

function nice(rough) {
  const ten = 10 ** Math.floor(Math.log10(Math.max(1e-3, rough)));
  return [1, 2, 5, 10].find((part) => part * ten >= rough) * ten;
}

// Where it was served at each moment.
function course(trace, scale, end) {
  const moves = trace.filter((entry) => MOVES.has(entry.kind) && entry.kind !== "moved");
  const points = moves.flatMap((entry, place) => {
    const until = moves[place + 1]?.at_ms ?? end;
    return [`${x(entry.at_ms, scale).toFixed(1)},${y(entry.level)}`, `${x(until, scale).toFixed(1)},${y(entry.level)}`];
  });
  return points.length ? [draw("path", { class: "course", d: `M${points.join(" L")}` })] : [];
}

function batches(trace, scale) {
  return trace.filter((entry) => entry.kind === "batched").map((entry) => {
    const part = Math.min(1, (entry.detail?.items ?? 1) / 10);
    const high = 8 + 14 * part;
    return draw("rect", { class: `mark ${levelTone(entry.level)}`, x: x(entry.at_ms, scale) - 2.5, y: y(entry.level) - high / 2, width: 5, height: high, rx: 2 },
      draw("title", {}, `+${duration(entry.at_ms - scale.from)}: ${line(entry)}`));
  });
}

function signs(trace, scale) {
  return trace.filter((entry) => SIGN[entry.kind]).map((entry) =>
    draw("text", { class: `sign ${entry.kind}`, x: x(entry.at_ms, scale), y: y(entry.level) + (BELOW.has(entry.kind) ? 16 : -8) }, SIGN[entry.kind],
      draw("title", {}, `+${duration(entry.at_ms - scale.from)}: ${line(entry)}`)));
}

function finish(job, trace, scale, end) {
  if (!job.finished_at) return [];
  const { level } = trace[trace.length - 1];
  return [draw("circle", { class: `end ${job.state}`, cx: x(end, scale), cy: y(level), r: 6 }, draw("title", {}, job.state))];
}

function inWords(job, trace, span) {
  const kinds = new Map();
  for (const { kind } of trace) kinds.set(kind, (kinds.get(kind) || 0) + 1);
  const told = [...kinds].map(([kind, number]) => `${kind.replaceAll("_", " ")} ${count(number, "time")}`).join(", ");
  return `The way of the job through the levels in ${duration(span)}: ${told}; ${job.state}`;
}

export function line({ kind, level, batch_id: batch, detail = {} }) {
  const words = WORDS[kind] ?? kind.replaceAll("_", " ");
  const parts = [];
  if (kind === "batched") {
    const others = detail.jobs > 1 ? ` with ${count(detail.jobs - 1, "other share")}` : "";
    parts.push(`${count(detail.items ?? 1, "image")} of ${detail.size}${others}`, detail.why ?? "", detail.held ? "its client was held down" : "");
  } else if (kind === "entered" || kind === "closed") parts.push(count(detail.images ?? 1, "image"), detail.open ? "open for more" : "", detail.why ?? "");
  else if (kind === "sank") parts.push(`${detail.served} served`);
  else if (kind === "aged") parts.push(`waited ${duration(detail.waited_ms)}`);
  else parts.push(...Object.entries(detail).map(([name, value]) => `${name.replaceAll("_", " ")} ${value}`));
  const told = [`level ${level}`, ...parts.filter(Boolean), batch ? `batch ${batch}` : ""].filter(Boolean).join(", ");
  return `${words} (${told})`;
}
