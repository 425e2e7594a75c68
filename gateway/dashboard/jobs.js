// The list of jobs: progress, place, expected end, cancel.

import { call, read } from "./api.js";
import { say } from "./detect.js";
import { at, make, show } from "./dom.js";
import { FINAL, TONE, brief, clock, count, duration } from "./words.js";

const PAGE = 15;
const PAGES_MAX = 6;

let pages = 1;

export function showOlder() {
  pages = Math.min(PAGES_MAX, pages + 1);
}

export async function readJobs() {
  const state = at("state").value;
  return read(`v1/jobs?limit=${PAGE * pages}${state ? `&state=${state}` : ""}`);
}

export function showJobs({ jobs, next_cursor: next }) {
  const none = make("tr", {}, make("td", { colspan: 8, class: "empty" }, at("state").value ? "No such job." : "No job yet: drop an image above."));
  show(at("jobs"), jobs.length ? jobs.map(row) : none);
  at("older").hidden = next === null || pages === PAGES_MAX;
}

function row(job) {
  const { total, done, failed } = job.images;
  const cells = [
    ["Job", make("a", { class: "id", href: `#/jobs/${job.id}`, title: job.id, "data-focus": `open-${job.id}` }, brief(job.id)),
      make("small", {}, ` ${job.model}${job.priority === "normal" ? "" : `, ${job.priority}`}`)],
    ["State", make("span", { class: `chip ${TONE[job.state]}` }, job.state), job.open ? make("small", {}, " open") : null],
    ["Images", make("progress", { max: total, value: done + failed, "aria-label": `${done + failed} of ${count(total, "image")} done` }),
      make("span", { class: "of" }, `${done + failed} / ${total}`), failed ? make("small", { class: "bad" }, ` ${count(failed, "error")}`) : null],
    ["Level", job.level ?? "–"],
    ["Ahead", job.position ?? "–"],
    ["Ends in", FINAL.has(job.state) ? "–" : duration(job.eta_ms)],
    ["Began", clock(job.created_at)],
    ["", FINAL.has(job.state) ? null : cancelButton(job.id)],
  ];
  return make("tr", {}, cells.map(([label, ...content]) => make("td", { "data-label": label, class: content[0] === "–" ? "nil" : null }, content.map((one) => (typeof one === "number" ? String(one) : one)))));
}

export function cancelButton(id) {
  const attributes = { type: "button", class: "small", "data-focus": `cancel-${id}`, "aria-label": `Cancel job ${brief(id)}` };
  return make("button", { ...attributes, on: { click: () => cancel(id) } }, "Cancel");
}

async function cancel(id) {
  try {
    await call(`v1/jobs/${id}`, { method: "DELETE" });
    document.dispatchEvent(new CustomEvent("changed"));
  } catch (error) {
    say(error.message, true);
  }
}
