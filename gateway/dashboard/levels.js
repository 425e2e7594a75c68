// The levels as lanes: what waits, batches in their queues, batches with workers, and who shares each.

import { at, make, show } from "./dom.js";
import { levelTone, levelsOf } from "./figures.js";
import { brief, count, duration } from "./words.js";

const COLORS = 8;
const CELLS = 10;
const CELLS_MAX = 40;
const TILES_MAX = 24;
const MEANING = {
  sank: ["sank", "jobs that used up their allotment at a level and went one down"],
  aged: ["rose", "jobs that waited too long and got a turn at level 0"],
  moved: ["moved up", "jobs of which a queued batch moved to a higher level's queue"],
  preempted: ["made way", "batches that handed their rest back for something more urgent"],
  held_down: ["held down", "jobs told that their client is ahead of the others"],
  expired: ["expired", "jobs whose deadline passed"],
  lost: ["lost", "batches whose worker was lost, and that were run again"],
};

const colors = new Map();
let before = new Set();

// A client keeps its colour as long as the page is open.
export function colorOf(client) {
  if (!colors.has(client)) colors.set(client, colors.size % COLORS);
  return `client-${colors.get(client)}`;
}

export function showLevels(queues) {
  if (queues.at === null) {
    show(at("levels"), make("p", { class: "empty" }, "No scheduler tells at the moment."));
    show(at("turns"));
    show(at("clients"));
    return;
  }
  const most = Math.max(1, ...levelsOf(queues).map(([, list]) => waitingIn(list)));
  const rows = levelsOf(queues).map(([level, list]) =>
    row(level, list, queues.batches.filter((batch) => batch.level === level), most));
  show(at("levels"), rows.length ? [head(), ...rows] : make("p", { class: "empty" }, "No worker has said yet what it serves."));
  showTurns(queues.turns);
  showClients(queues.batches);
  before = new Set(queues.batches.map((batch) => batch.id));
}

const waitingIn = (list) => list.reduce((sum, queue) => sum + queue.waiting_items, 0);

function head() {
  return make("div", { class: "level head", "aria-hidden": "true" },
    make("span", {}, ""), make("span", {}, "Waiting"), make("span", {}, "Batches in the queue"), make("span", {}, "With workers"));
}

function row(level, list, batches, most) {
  const rateDone = list.reduce((sum, queue) => sum + (queue.done_per_s ?? 0), 0);
  const name = make("div", { class: "level-name" },
    make("h3", {}, make("i", { class: `key ${levelTone(level)}` }), `Level ${level}`),
    make("small", {}, [level === 0 ? "most urgent" : "", rateDone >= 0.05 ? `${rateDone.toFixed(1)}/s` : ""].filter(Boolean).join(" · ")));
  return make("div", { class: "level", role: "group", "aria-label": `Level ${level}` }, name,
    waiting(level, list, most),
    tiles("Batches in the queue", batches.filter((batch) => batch.worker === null)),
    tiles("With workers", batches.filter((batch) => batch.worker !== null)));
}

function waiting(level, list, most) {
  const items = waitingIn(list);
  const oldest = Math.max(0, ...list.map((queue) => queue.oldest_wait_ms ?? 0));
  const bar = make("progress", { class: levelTone(level), max: 100, value: items ? Math.max(3, 100 * Math.sqrt(items / most)) : 0, "aria-hidden": "true" });
  const lanes = list.filter((queue) => queue.waiting_items > 0);
  const told = lanes.length > 1 ? lanes.map((queue) => `${queue.lane}: ${queue.waiting_items}`).join(", ") : lanes[0]?.lane ?? "";
  return make("div", { class: "waiting" },
    make("span", { class: "phone-label" }, "Waiting"),
    make("p", {}, make("strong", {}, items.toLocaleString("en")), items ? ` · oldest ${duration(oldest)}` : ""),
    bar,
    told ? make("small", { class: "lanes", title: told }, told) : null);
}

function tiles(label, batches) {
  const shown = batches.slice(0, TILES_MAX);
  const rest = batches.length - shown.length;
  return make("div", { class: "tiles" },
    make("span", { class: "phone-label" }, label),
    shown.length ? null : make("span", { class: "none" }, "none"),
    shown.map((batch) => tile(batch)), rest ? make("span", { class: "none" }, `and ${rest} more`) : null);
}

// A batch as what it is: up to ten cells, each the colour of the client whose image it holds.
export function tile(batch) {
  const jobs = new Set(batch.shares.map((share) => share.job ?? share.client)).size;
  const clients = new Set(batch.shares.map((share) => share.client)).size;
  const held = batch.worker ? `with ${batch.worker} for ${duration(batch.for_ms)}` : `queued for ${duration(batch.for_ms)}`;
  const shared = batch.shares.map((share) => `${share.job ? `job ${brief(share.job)}` : "another key's job"}: ${share.images}`).join("\n");
  const whose = jobs ? ` of ${count(jobs, "job")} of ${count(clients, "client")}` : "";
  const told = `Batch of ${count(batch.images, "image")}${whose}, ${held}`;
  // Without a key nobody is told whose a batch is: its cells have no client's colour.
  const cells = batch.shares.length === 0 ? Array.from({ length: batch.images }, () => make("i", { class: "nobody" })) : batch.shares.flatMap((share, place) =>
    Array.from({ length: share.images }, () => make("i", { class: `${colorOf(share.client)} ${place % 2 ? "odd" : "even"}` })));
  const empty = Array.from({ length: Math.max(0, CELLS - cells.length) }, () => make("i", { class: "empty-cell" }));
  const kind = `tile ${batch.worker ? "running" : "queued"} ${before.has(batch.id) ? "" : "new"}`;
  return make("span", { class: kind, role: "img", "aria-label": told, title: `${told}\n${batch.lane}, ${batch.id}\n${shared}` },
    make("span", { class: "cells" }, cells.slice(0, CELLS_MAX), empty));
}

function showTurns(turns) {
  const told = Object.entries(MEANING).filter(([name]) => turns[name]);
  show(at("turns"), told.map(([name, [word, meaning]]) =>
    make("span", { class: name === "lost" ? "turn bad" : "turn", title: meaning }, make("strong", {}, turns[name].toLocaleString("en")), ` ${word}`)));
}

function showClients(batches) {
  const images = new Map();
  for (const share of batches.flatMap((batch) => batch.shares)) images.set(share.client, (images.get(share.client) || 0) + share.images);
  const told = [...images].slice(0, COLORS).map(([client, number]) =>
    make("span", {}, make("i", { class: `key ${colorOf(client)}` }), `client ${client}: ${count(number, "image")} in batches`));
  show(at("clients"), told.length ? told : make("span", {}, "Each tile is a batch; each cell an image, coloured by client."));
}
