// Images in, boxes out, and the job's way through the queue beside them.

import { Refused, call, follow, read } from "./api.js";
import { at, make, show } from "./dom.js";
import { picture, putInOrder } from "./pictures.js";
import { timeline } from "./timeline.js";
import { BAR, FINAL, TONE, brief, count, duration, tookOf } from "./words.js";

const SHOWN_PICTURES = 60;
const TRACE_EACH_MS = 700;

let current = new AbortController();

export function say(text, bad = false) {
  at("said").textContent = text;
  at("said").classList.toggle("bad", bad);
}

export async function detect(files) {
  const images = [...files];
  if (images.length === 0) return;
  current.abort();
  current = new AbortController();
  const { signal } = current;
  show(at("pictures"));
  at("way").hidden = true;
  say(`Sending ${count(images.length, "image")} …`);
  const job = await sent(images, signal);
  if (job === null) return;
  try {
    await watch(job, images, signal);
  } catch (error) {
    if (!signal.aborted) say(`${error.message}. The job was sent; it stands among the jobs below.`, true);
  }
}

// The job, or null where none came of it, and why was said.
async function sent(images, signal) {
  try {
    return await read("v1/jobs", { method: "POST", body: formOf(images), signal });
  } catch (error) {
    if (!signal.aborted) say(error instanceof Refused ? error.message : "The service does not answer; nothing was sent.", true);
    return null;
  }
}

function formOf(images) {
  const form = new FormData();
  form.append("conf", at("conf").value);
  form.append("priority", at("priority").value);
  if (at("model").value) form.append("model", at("model").value);
  images.forEach((file) => form.append("files", file, file.name));
  return form;
}

async function watch(job, images, signal) {
  const way = new Way(job, signal);
  for await (const event of follow(job.id, signal, (down) => { if (down) say("The line broke; trying again …"); })) {
    if (signal.aborted) return;
    if (event.kind === "result") await showResult(event.data, images);
    else {
      way.told(event.data);
      sayState(way.job);
    }
  }
  if (images.length > SHOWN_PICTURES) {
    at("pictures").append(make("p", { class: "empty" }, `The first ${SHOWN_PICTURES} are shown; `, make("a", { href: `#/jobs/${job.id}` }, "the job has all results"), "."));
  }
}

async function showResult(result, images) {
  if (result.index >= SHOWN_PICTURES) return;
  putInOrder(at("pictures"), await picture(images[result.index], result), result.index);
}

function sayState({ state, images: { total, done, failed }, position, eta_ms: etaMs }) {
  if (FINAL.has(state)) {
    say(`${state}: ${done} of ${count(total, "image")} done${failed ? `, ${failed} with an error` : ""}`, done === 0);
    return;
  }
  const ahead = position ? `, ${position} ahead of it` : "";
  const eta = etaMs ? `, done in about ${duration(etaMs)}` : "";
  say(`${state}: ${done + failed} of ${count(total, "image")}${ahead}${eta}`);
}

// The panel beside the pictures. The trace is read a few times a second at most, and once at the end.
class Way {
  constructor(job, signal) {
    this.signal = signal;
    this.job = job;
    this.due = null;
    this.read();
  }

  // Of a job that goes on, an event tells only what changed.
  told(news) {
    this.job = { ...this.job, ...news };
    if (FINAL.has(this.job.state)) {
      clearTimeout(this.due);
      this.due = null;
      this.read();
    } else if (this.due === null) this.due = setTimeout(() => { this.due = null; this.read(); }, TRACE_EACH_MS);
  }

  async read() {
    try {
      const { trace } = await read(`v1/jobs/${this.job.id}/trace`, { signal: this.signal });
      if (!this.signal.aborted) this.show(trace);
    } catch {
      // The next event tells again.
    }
  }

  show(trace) {
    const { job } = this;
    const { total, done, failed } = job.images;
    const panel = at("way");
    panel.hidden = false;
    const batches = trace.filter((entry) => entry.kind === "batched");
    const shared = batches.filter((entry) => (entry.detail?.jobs ?? 1) > 1).length;
    const cancel = FINAL.has(job.state) ? null
      : make("button", { type: "button", class: "small", "data-focus": "cancel-way", on: { click: () => this.cancel() } }, "Cancel");
    show(panel,
      make("div", { class: "heading" },
        make("h3", {}, "Its way through the queue"),
        make("span", { class: `chip ${TONE[job.state]}` }, job.state)),
      make("progress", { class: `wide ${BAR[job.state] ?? ""}`, max: total, value: done + failed, "aria-label": `${done + failed} of ${count(total, "image")}` }),
      timeline(job, trace, Math.max(280, panel.clientWidth - 34)),
      make("p", { class: "way-facts" },
        [count(batches.length, "batch", "batches"), shared ? `${shared} shared with other jobs` : "", tookOf(job)].filter(Boolean).join(" · "),
        " · ", make("a", { href: `#/jobs/${job.id}`, "data-focus": "open-way" }, `job ${brief(job.id)}`), " ", cancel));
  }

  async cancel() {
    try {
      await call(`v1/jobs/${this.job.id}`, { method: "DELETE" });
    } catch (error) {
      say(error.message, true);
    }
  }
}
