// The list of jobs: progress, place, expected end, cancel.

import { call, read } from "./api.js";
import { say } from "./detect.js";
import { at, make, show } from "./dom.js";
import { BAR, FINAL, TONE, brief, clock, count, duration, number, tookOf } from "./words.js";

const PAGE = 15;
const PAGES_MAX = 13; // the API gives 200 at most
const ACTIVE_MAX = 12;
const LOOK_EACH_MS = 15_000;
const LOOK_AFTER_MISSED_EACH_MS = 2_000;

let pages = 1;
let activeLookedAt = -Infinity;
let newestSeen = "";
const active = new Set();

export function showOlder() {
  pages = Math.min(PAGES_MAX, pages + 1);
}

// The newest, and before them what is under way: a bulk job must not drown in the single images that came after it.
export async function readJobs() {
  const state = at("state").value;
  const newest = await read(`v1/jobs?limit=${PAGE * pages}${state ? `&state=${state}` : ""}`);
  if (state) return newest;
  await lookForMissed(newest);
  newest.jobs.forEach(keepIfActive);
  const listed = new Set(newest.jobs.map((job) => job.id));
  const older = [...active].filter((id) => !listed.has(id)).slice(0, ACTIVE_MAX);
  const jobs = [...newest.jobs, ...(await Promise.all(older.map(readActive))).filter(Boolean)];
  return { ...newest, jobs: [...underWay(jobs), ...jobs.filter((job) => listed.has(job.id) && FINAL.has(job.state))] };
}

// Of many that came since the last look, some may stand no longer among the newest.
async function lookForMissed({ jobs, next_cursor: next }) {
  const missed = next !== null && jobs.at(-1).id > newestSeen;
  const due = Date.now() - activeLookedAt > (missed ? LOOK_AFTER_MISSED_EACH_MS : LOOK_EACH_MS);
  if (due) await lookForActive();
  if (jobs.length && (due || !missed)) newestSeen = jobs[0].id;
}

// To look through the whole list is dear, to ask for a job by its id is cheap.
async function lookForActive() {
  activeLookedAt = Date.now();
  const pagesOf = await Promise.all(["running", "queued"].map((state) => read(`v1/jobs?limit=50&state=${state}`)));
  pagesOf.flatMap((page) => page.jobs).forEach(keepIfActive);
}

function keepIfActive(job) {
  if (FINAL.has(job.state)) active.delete(job.id);
  else active.add(job.id);
}

async function readActive(id) {
  try {
    const job = await read(`v1/jobs/${id}`);
    keepIfActive(job);
    return job;
  } catch (error) {
    if (error.status !== 404) throw error;
    active.delete(id);
    return null;
  }
}

// The oldest first, so that rows stay where they are while single images come and go.
const underWay = (jobs) => jobs.filter((job) => !FINAL.has(job.state)).sort((a, b) => (a.id < b.id ? -1 : 1));

export function showJobs({ jobs, next_cursor: next }) {
  const none = make("tr", {}, make("td", { colspan: 8, class: "empty" }, at("state").value ? "No such job." : "No job yet: drop an image above."));
  show(at("jobs"), jobs.length ? jobs.map(row) : none);
  at("older").hidden = next === null || pages === PAGES_MAX;
  at("oldest").hidden = next === null || pages < PAGES_MAX;
}

function row(job) {
  const { total, done, failed } = job.images;
  const cells = [
    ["Job", make("a", { class: "id", href: `#/jobs/${job.id}`, title: job.id, "data-focus": `open-${job.id}` }, brief(job.id)),
      " ", make("small", { class: "model", title: job.model }, job.model), job.priority === "normal" ? null : make("small", { class: "priority" }, job.priority)],
    ["State", make("span", { class: `chip ${TONE[job.state]}` }, job.state), job.open ? make("small", { title: "more images may be added" }, " open") : null],
    ["Images", make("progress", { class: BAR[job.state] ?? null, max: total, value: done + failed, "aria-label": `${done + failed} of ${count(total, "image")} done` }),
      make("span", { class: "of" }, `${number(done + failed)} / ${number(total)}`), failed ? make("small", { class: "bad" }, ` ${count(failed, "error")}`) : null],
    ["Level", job.level ?? "–"],
    ["Ahead", job.position === null ? "–" : number(job.position)],
    FINAL.has(job.state) ? ["", make("span", { class: "soft" }, tookOf(job) || "–")] : ["Ends in", job.open && done + failed === total ? make("span", { class: "soft" }, "once closed") : duration(job.eta_ms)],
    ["Sent", clock(job.created_at)],
    ["", FINAL.has(job.state) ? null : cancelButton(job.id, (why) => say(why, true))],
  ];
  return make("tr", {}, cells.map(([label, ...content]) => make("td", { "data-label": label, class: content[0] === "–" ? "nil" : null }, content.map((one) => (typeof one === "number" ? String(one) : one)))));
}

// `tell` hears why it could not be canceled, where somebody looks.
export function cancelButton(id, tell) {
  const attributes = { type: "button", class: "small", "data-focus": `cancel-${id}`, "aria-label": `Cancel job ${brief(id)}` };
  return make("button", { ...attributes, on: { click: () => cancel(id, tell) } }, "Cancel");
}

async function cancel(id, tell) {
  try {
    await call(`v1/jobs/${id}`, { method: "DELETE" });
    document.dispatchEvent(new CustomEvent("changed"));
  } catch (error) {
    tell(error.message);
  }
}
