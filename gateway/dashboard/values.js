// The other kind of work: how many values are stored, and the run that was begun here.

import { read } from "./api.js";
import { at, make, show } from "./dom.js";
import { BAR, FINAL, TONE, brief, count, duration, number } from "./words.js";

const COUNT = 50;
const WITHIN_S = 10;
const RUN = "tenfold-values-run";

let problem = "";

export async function readValues() {
  const id = sessionStorage.getItem(RUN);
  const [total, run] = await Promise.all([read("v1/values/total"), id ? readRun(id) : null]);
  return { total: total.count, run };
}

async function readRun(id) {
  try {
    return await read(`v1/values/runs/${id}`);
  } catch (error) {
    if (error.status !== 404) throw error;
    sessionStorage.removeItem(RUN);
    return null;
  }
}

export function showValues({ total, run }) {
  at("generate").disabled = Boolean(run) && !FINAL.has(run.state);
  show(at("values"),
    make("p", { class: "value" }, number(total), make("small", {}, total === 1 ? " value stored" : " values stored")),
    problem ? make("p", { class: "bad" }, problem) : null,
    run ? shownRun(run) : make("p", { class: "soft" }, "Each is a job of its own that is due at a random moment within the window."));
}

function shownRun(run) {
  const ended = run.stored + run.failed;
  const told = [`${number(run.stored)} of ${count(run.requested, "value")} stored`, run.late ? `${number(run.late)} late` : "",
    run.failed ? `${number(run.failed)} failed` : "", run.finished_at ? `in ${duration(Date.parse(run.finished_at) - Date.parse(run.started_at))}` : ""];
  return make("div", { class: "run" },
    make("p", {}, make("span", { class: `chip ${TONE[run.state]}` }, run.state), " ", make("span", { class: "soft" }, `run ${brief(run.id)}`)),
    make("progress", { class: `wide ${BAR[run.state] ?? ""}`, max: run.requested, value: ended, "aria-label": `${ended} of ${count(run.requested, "value")}` }),
    make("p", { class: "soft" }, told.filter(Boolean).join(" · ")));
}

export async function generate() {
  problem = "";
  try {
    const body = JSON.stringify({ count: COUNT, within_s: WITHIN_S });
    const run = await read("v1/values/generate", { method: "POST", body, headers: { "Content-Type": "application/json" } });
    sessionStorage.setItem(RUN, run.id);
  } catch (error) {
    problem = error.message;
  }
  document.dispatchEvent(new CustomEvent("changed"));
}
