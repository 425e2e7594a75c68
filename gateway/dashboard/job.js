// A job's page: what it is, its trace as a timeline and in words, its results.

import { Refused, call, read } from "./api.js";
import { at, make, show } from "./dom.js";
import { cancelButton } from "./jobs.js";
import { kept, putInOrder } from "./pictures.js";
import { SIGN, line, timeline } from "./timeline.js";
import { BAR, FINAL, TONE, brief, clock, count, duration, number } from "./words.js";

const PICTURES = 12;
const FORMATS = { json: "JSON", ndjson: "NDJSON", coco: "COCO", yolo: "YOLO", csv: "CSV" };

let shown = null;

export const shownJob = () => shown?.id ?? null;

export function openJob(id) {
  // `cursor`: where the last page of pictures begins; `next`: where it ended, null while it may still grow.
  shown = { id, cursor: null, next: null, drawn: new Set(), ended: 0, known: false, final: false };
  const title = make("h2", { id: "job-title", tabindex: -1 }, `Job ${brief(id)}`);
  show(at("job"),
    make("p", {}, make("a", { href: "#/" }, "← Overview")),
    make("section", { class: "card" },
      make("div", { class: "heading" }, title, make("div", { id: "job-state" })),
      make("div", { id: "job-facts" })),
    make("section", { class: "card", "aria-labelledby": "job-trace-title" },
      make("h2", { id: "job-trace-title" }, "What the scheduler did with it"),
      make("div", { id: "job-timeline" }),
      make("details", { class: "trace" }, make("summary", { id: "job-trace-said" }, "In words"), make("ol", { id: "job-trace" }))),
    make("section", { class: "card", "aria-labelledby": "job-results-title" },
      make("div", { class: "heading" }, make("h2", { id: "job-results-title" }, "Results"), downloads(id)),
      make("p", { id: "job-said", class: "said", role: "status" }),
      make("div", { id: "job-pictures", class: "pictures" }),
      make("p", { class: "more" }, make("button", { id: "job-more", type: "button", hidden: true, on: { click: showMore } }, "Show more"))));
  title.focus({ preventScroll: true });
  window.scrollTo(0, 0);
}

export function closeJob() {
  shown = null;
  show(at("job"));
}

export async function refreshJob() {
  const page = shown;
  if (page === null || page.final) return;
  try {
    const [job, { trace }] = await Promise.all([read(`v1/jobs/${page.id}`), read(`v1/jobs/${page.id}/trace`)]);
    if (shown !== page) return;
    showFacts(job);
    showTrace(job, trace);
    page.known = true;
    await fillPage(page, job.images.done + job.images.failed);
    page.final = FINAL.has(job.state);
  } catch (error) {
    if (!isLasting(error)) throw error;
    page.final = true;
    show(at("job-facts"), make("p", { class: "bad" }, error.message));
    // Of a job that is not there nothing else can be told; of one that went meanwhile it still stands.
    if (!page.known) at("job").querySelectorAll("section ~ section").forEach((section) => { section.hidden = true; });
  }
}

// Whether asking again would be answered with the same.
const isLasting = (error) => error instanceof Refused && error.status < 500 && error.status !== 401;

function showFacts(job) {
  const { total, done, failed } = job.images;
  show(at("job-state"), make("span", { class: `chip ${TONE[job.state]}` }, job.state), job.open ? make("small", {}, " open for more images") : null, " ", FINAL.has(job.state) ? null : cancelButton(job.id, say));
  const facts = [
    ["Id", make("span", { class: "id" }, job.id)],
    ["Model", job.model],
    ["Priority", job.priority],
    ["Level", job.level ?? "–"],
    ["Sent", clock(job.created_at)],
    ["First started after", job.started_at ? duration(since(job, job.started_at)) : "–"],
    FINAL.has(job.state) ? ["Took", job.finished_at ? duration(since(job, job.finished_at)) : "–"] : ["Ends in", duration(job.eta_ms)],
    FINAL.has(job.state) ? null : ["Ahead of it", job.position ?? "–"],
  ].filter(Boolean);
  show(at("job-facts"),
    make("div", { class: "progress-line" },
      make("progress", { class: `wide ${BAR[job.state] ?? ""}`, max: total, value: done + failed, "aria-label": `${done + failed} of ${count(total, "image")} done` }),
      make("span", { class: "of" }, `${number(done)} of ${count(total, "image")}${failed ? `, ${count(failed, "error")}` : ""}`)),
    job.error ? make("p", { class: "bad" }, job.error.message) : null,
    make("dl", { class: "facts" }, facts.map(([name, value]) => make("div", { class: name === "Id" || String(value).length > 16 ? "long" : null }, make("dt", {}, name), make("dd", {}, typeof value === "number" ? String(value) : value)))));
}

const since = (job, moment) => Date.parse(moment) - Date.parse(job.created_at);

function showTrace(job, trace) {
  const box = at("job-timeline");
  show(box, timeline(job, trace, Math.max(280, box.clientWidth)), legend(trace));
  const start = trace.length ? trace[0].at_ms : 0;
  at("job-trace-said").textContent = `In words: ${count(trace.length, "entry", "entries")}`;
  show(at("job-trace"), trace.map((entry) => make("li", {}, make("time", {}, `+${duration(entry.at_ms - start)}`), " ", line(entry))));
}

function legend(trace) {
  const there = new Set(trace.map((entry) => entry.kind));
  const words = { extended: "images added", sank: "sank", aged: "rose", moved: "batch moved up", handed_back: "handed back", retried: "retried", held_down: "held down" };
  const signs = [["▮", "batch"], ...Object.entries(words).filter(([kind]) => there.has(kind)).map(([kind, word]) => [SIGN[kind], word]), ["●", "ended"]];
  return make("p", { class: "legend", "aria-hidden": "true" }, signs.map(([sign, word]) => make("span", {}, `${sign} ${word}`)));
}

const say = (text) => { at("job-said").textContent = text; };

// The pictures of what has ended so far; while the job goes on there may be more of them at the next look.
async function fillPage(page, ended) {
  if (ended === page.ended || page.next !== null) return;
  try {
    await showPictures(page);
  } catch (error) {
    if (!isLasting(error)) throw error;
    say(error.message);
  }
  page.ended = ended;
}

async function showMore() {
  const page = shown;
  const { cursor, next } = page;
  [page.cursor, page.next] = [next, null];
  try {
    await showPictures(page);
  } catch (error) {
    [page.cursor, page.next] = [cursor, next];
    say(error.message);
  }
}

async function showPictures(page) {
  const query = page.cursor ? `&cursor=${encodeURIComponent(page.cursor)}` : "";
  const { results, next_cursor: next } = await read(`v1/jobs/${page.id}/results?limit=${PICTURES}${query}`);
  if (shown !== page) return;
  page.next = next;
  at("job-more").hidden = next === null;
  for (const result of results.filter(({ index }) => !page.drawn.has(index))) {
    page.drawn.add(result.index);
    const figure = await kept(page.id, result);
    if (shown !== page) return;
    putInOrder(at("job-pictures"), figure, result.index);
  }
}

function downloads(id) {
  const button = (word, path, name) => make("button", { type: "button", class: "small", on: { click: () => download(path, name) } }, word);
  const results = Object.entries(FORMATS).map(([format, word]) =>
    button(word, `v1/jobs/${id}/results?format=${format}`, `${id}.${format === "coco" ? "json" : format === "yolo" ? "zip" : format}`));
  return make("p", { class: "downloads" }, "Download: ", results, button("Pictures", `v1/jobs/${id}/images`, `${id}.images.zip`));
}

// A link could not send the key; a blob can be saved all the same.
async function download(path, name) {
  try {
    const response = await call(path);
    const named = /filename="([^"]+)"/.exec(response.headers.get("content-disposition") ?? "");
    const url = URL.createObjectURL(await response.blob());
    make("a", { href: url, download: named ? named[1] : name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  } catch (error) {
    say(error.message);
  }
}
