// The page reads the public API and nothing else. All text goes in as text, never as markup.

const POLL_MS = 1000;
const SHOWN_JOBS = 20;
const SHOWN_PICTURES = 60;
const FINAL = new Set(["succeeded", "failed", "canceled", "expired"]);
const TONE = { succeeded: "good", running: "busy", queued: "", failed: "bad", canceled: "", expired: "bad" };

const at = (id) => document.getElementById(id);

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") Object.entries(value).forEach(([event, run]) => node.addEventListener(event, run));
    else if (value !== undefined && value !== null) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

// The API

class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `HTTP ${status}`);
    this.status = status;
  }
}

async function call(path, options = {}) {
  const key = sessionStorage.getItem("tenfold-key");
  const headers = { ...(options.headers || {}), ...(key ? { Authorization: `Bearer ${key}` } : {}) };
  const response = await fetch(path, { ...options, headers });
  if (response.ok) return response;
  if (response.status === 401) at("key-form").hidden = false;
  throw new Refused(response.status, await response.json().catch(() => ({})));
}

const read = async (path, options) => (await call(path, options)).json();

// Server-sent events over fetch, since EventSource can send no key. Goes on after the last id when the line breaks.
async function* follow(jobId) {
  let last = "";
  for (let tries = 0; tries < 20; tries += 1) {
    try {
      const response = await call(`v1/jobs/${jobId}/events`, last ? { headers: { "Last-Event-ID": last } } : {});
      if (response.status === 204) return;
      for await (const event of eventsOf(response.body)) {
        tries = 0;
        last = event.id || last;
        yield event;
        if (event.id && event.id.endsWith("-end")) return;
      }
    } catch (error) {
      if (error instanceof Refused && error.status < 500) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  throw new Error("the connection to the service was lost");
}

async function* eventsOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += value;
    const blocks = text.split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const fields = Object.fromEntries(
        block.split("\n").filter((line) => !line.startsWith(":")).map((line) => {
          const cut = line.indexOf(": ");
          return [line.slice(0, cut), line.slice(cut + 2)];
        }),
      );
      if (fields.event) yield { id: fields.id, kind: fields.event, data: JSON.parse(fields.data) };
    }
  }
}

// Images in, boxes out

function say(text, bad = false) {
  at("said").textContent = text;
  at("said").classList.toggle("bad", bad);
}

async function detect(files) {
  const images = [...files];
  if (images.length === 0) return;
  const form = new FormData();
  form.append("conf", at("conf").value);
  form.append("priority", at("priority").value);
  if (at("model").value) form.append("model", at("model").value);
  images.forEach((file) => form.append("files", file, file.name));
  at("pictures").replaceChildren();
  say(`Sending ${count(images.length, "image")} …`);
  try {
    const job = await read("v1/jobs", { method: "POST", body: form });
    for await (const event of follow(job.id)) await show(event, images);
  } catch (error) {
    say(error.message, true);
  }
}

async function show(event, images) {
  if (event.kind === "result") {
    if (event.data.index < SHOWN_PICTURES) at("pictures").append(await picture(images[event.data.index], event.data));
    return;
  }
  const { total, done, failed } = event.data.images;
  if (FINAL.has(event.data.state)) {
    say(`${event.data.state}: ${done} of ${count(total, "image")} done${failed ? `, ${failed} with an error` : ""}`, done === 0);
  } else {
    const ahead = event.data.position ? `, ${event.data.position} ahead of it` : "";
    say(`${event.data.state}: ${done + failed} of ${count(total, "image")}${ahead}`);
  }
}

async function picture(file, result) {
  const caption = make("figcaption", {}, make("strong", {}, result.name));
  const figure = make("figure", {}, caption);
  if (result.error) {
    caption.append(make("p", {}, result.error.message));
    return figure;
  }
  const canvas = make("canvas", { role: "img", "aria-label": `${result.name}: ${summary(result.detections)}` });
  figure.prepend(canvas);
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  draw(canvas, bitmap, result);
  const { timing, batch } = result;
  caption.append(make("p", {}, summary(result.detections)));
  if (timing) {
    caption.append(make("p", {}, `waited ${ms(timing.queued_ms)}, decoded ${ms(timing.decode_ms)}, computed ${ms(timing.inference_ms)}`));
  }
  if (batch) caption.append(make("p", {}, `batch ${batch.id}: ${count(batch.size, "image")}, level ${batch.level}, ${batch.worker}`));
  return figure;
}

function draw(canvas, bitmap, result) {
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  const context = canvas.getContext("2d");
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const width = Math.max(2, Math.round(Math.max(canvas.width, canvas.height) / 300));
  const size = Math.max(12, Math.round(Math.max(canvas.width, canvas.height) / 40));
  context.font = `600 ${size}px system-ui, sans-serif`;
  context.textBaseline = "top";
  for (const found of [...result.detections].sort((a, b) => a.score - b.score)) {
    const [x1, y1, x2, y2] = found.box;
    const hue = Math.round(((found.class_id * 0.618034) % 1) * 360);
    const color = `hsl(${hue} 89% 54%)`;
    context.strokeStyle = color;
    context.lineWidth = width;
    context.strokeRect(x1, y1, x2 - x1, y2 - y1);
    const text = `${found.label} ${found.score.toFixed(2)}`;
    const wide = context.measureText(text).width + size * 0.6;
    const left = Math.max(0, Math.min(x1 - width / 2, canvas.width - wide));
    const top = y1 > size * 1.4 ? y1 - size * 1.4 : y1;
    context.fillStyle = color;
    context.fillRect(left, top, wide, size * 1.4);
    context.fillStyle = hue > 200 && hue < 290 ? "#fff" : "#000";
    context.fillText(text, left + size * 0.3, top + size * 0.2);
  }
}

function summary(detections) {
  if (detections.length === 0) return "nothing found";
  const counts = new Map();
  detections.forEach((found) => counts.set(found.label, (counts.get(found.label) || 0) + 1));
  return [...counts].map(([label, number]) => `${number} × ${label}`).join(", ");
}

// Levels, workers, jobs

function showLevels(told) {
  if (told.at === null) {
    at("levels").replaceChildren(make("p", { class: "empty" }, "No scheduler tells at the moment."));
    return;
  }
  const levels = new Map();
  told.queues.forEach((queue) => levels.set(queue.level, [...(levels.get(queue.level) || []), queue]));
  const rows = [...levels].sort(([a], [b]) => a - b).map(([level, queues]) => {
    const waiting = queues.reduce((sum, queue) => sum + queue.waiting_items, 0);
    const note = level === 0 ? "most urgent" : "";
    return make("div", { class: "level" },
      make("h3", {}, `Level ${level}`, make("small", {}, [note, `${waiting} waiting`].filter(Boolean).join(" · "))),
      ...queues.filter((queue) => queue.waiting_items + queue.queued_batches + queue.running_batches > 0).map(lane));
  });
  const rate = told.drain_items_per_s === null ? "" : `${told.drain_items_per_s.toFixed(1)} images/s, `;
  at("levels").replaceChildren(
    ...(rows.length ? rows : [make("p", { class: "empty" }, "Nothing waits.")]),
    make("p", { class: "legend" },
      make("span", {}, make("span", { class: "track" }, make("i")), "ten waiting images"),
      make("span", {}, make("span", { class: "track" }, make("i", { class: "queued" })), "batch in its queue"),
      make("span", {}, make("span", { class: "track" }, make("i", { class: "running" })), "batch running"),
      make("span", {}, `${rate}${told.queued.items} of ${told.queued.items_max} queued`)));
}

function lane(queue) {
  const blocks = [
    ...Array(Math.min(40, queue.running_batches)).fill("running"),
    ...Array(Math.min(40, queue.queued_batches)).fill("queued"),
    ...Array(Math.min(60, Math.ceil(queue.waiting_items / 10))).fill(""),
  ];
  const age = queue.oldest_wait_ms ? `oldest ${ms(queue.oldest_wait_ms)}` : "";
  const told = `${queue.running_batches} running, ${queue.queued_batches} queued, ${queue.waiting_items} waiting`;
  return make("div", { class: "lane" },
    make("span", { class: "name", title: queue.lane }, queue.lane),
    make("span", { class: "track", role: "img", "aria-label": told }, ...blocks.map((kind) => make("i", { class: kind }))),
    make("span", {}, age));
}

function showWorkers({ workers }) {
  const rows = workers.map((worker) => make("div", { class: "worker" },
    make("span", { class: `chip ${worker.state === "busy" ? "busy" : "good"}` }, worker.state),
    make("strong", {}, worker.name),
    make("span", { class: "soft" }, `${worker.model} on ${worker.device}, levels ${worker.levels.join(", ")}`),
    make("span", { class: "soft" }, worker.batches.length ? `batch ${worker.batches.join(", ")}` : "")));
  at("workers").replaceChildren(...(rows.length ? rows : [make("p", { class: "empty" }, "No worker lives.")]));
}

function showJobs({ jobs }) {
  // Focus would be lost with the rows: it goes back to what had it.
  const focused = document.activeElement?.dataset?.focus;
  const rows = jobs.map((job) => {
    const done = job.images.done + job.images.failed;
    const open = make("button", { class: "link", title: job.id, "data-focus": `open-${job.id}`, on: { click: () => openJob(job.id) } }, job.id.slice(-8));
    const cancel = make("button", { "data-focus": `cancel-${job.id}`, "aria-label": `Cancel job ${job.id.slice(-8)}`, on: { click: () => cancelJob(job.id) } }, "Cancel");
    return make("tr", {},
      make("td", {}, open),
      make("td", {}, make("span", { class: `chip ${TONE[job.state]}` }, job.state)),
      make("td", {}, make("progress", { max: job.images.total, value: done, "aria-label": "images done" }), ` ${done} / ${job.images.total}`),
      make("td", {}, job.level ?? "–"),
      make("td", {}, job.position ?? "–"),
      make("td", {}, job.eta_ms === null ? "–" : ms(job.eta_ms)),
      make("td", {}, new Date(job.created_at).toLocaleTimeString()),
      make("td", {}, FINAL.has(job.state) ? "" : cancel));
  });
  const none = make("tr", {}, make("td", { colspan: 8 }, "No job yet: drop an image above."));
  at("jobs").replaceChildren(...(rows.length ? rows : [none]));
  if (focused) document.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
}

async function cancelJob(id) {
  try {
    await call(`v1/jobs/${id}`, { method: "DELETE" });
    await poll();
  } catch (error) {
    say(error.message, true);
  }
}

async function openJob(id) {
  try {
    const [job, { trace }, { results }] = await Promise.all(
      [read(`v1/jobs/${id}`), read(`v1/jobs/${id}/trace`), read(`v1/jobs/${id}/results?limit=12`)]);
    at("job-title").textContent = `Job ${id}`;
    at("job-facts").textContent = `${job.state}, ${job.model}, priority ${job.priority}, ` +
      `${job.images.done} of ${job.images.total} done${job.error ? `: ${job.error.message}` : ""}`;
    const start = trace.length ? trace[0].at_ms : 0;
    at("job-trace").replaceChildren(...(trace.length ? trace.map((entry) => traceLine(entry, start))
      : [make("li", {}, "nothing yet")]));
    at("job-pictures").replaceChildren();
    at("job").showModal();
    for (const result of results) at("job-pictures").append(await kept(id, result));
  } catch (error) {
    say(error.message, true);
  }
}

function traceLine(entry, start) {
  const { kind, at_ms: atMs, level, batch_id: batch, detail } = entry;
  const parts = [level === undefined ? "" : `level ${level}`, batch ? `batch ${batch}` : "",
    ...Object.entries(detail || {}).map(([name, value]) => `${name} ${value}`)];
  return make("li", {}, make("time", {}, `+${ms(atMs - start)}`), make("strong", {}, String(kind).replaceAll("_", " ")),
    ` ${parts.filter(Boolean).join(", ")}`);
}

async function kept(id, result) {
  const caption = make("figcaption", {}, make("strong", {}, result.name));
  caption.append(make("p", {}, result.error ? result.error.message : summary(result.detections)));
  const figure = make("figure", {}, caption);
  if (result.error) return figure;
  try {
    const blob = await (await call(`v1/jobs/${id}/images/${result.index}`)).blob();
    const url = URL.createObjectURL(blob);
    const image = make("img", { alt: `${result.name}: ${summary(result.detections)}`, on: { load: () => URL.revokeObjectURL(url) } });
    image.src = url;
    figure.prepend(image);
  } catch (error) {
    caption.append(make("p", {}, error.message));
  }
  return figure;
}

// The page itself

const count = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;

function ms(value) {
  if (value < 1000) return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
  return value < 60000 ? `${(value / 1000).toFixed(1)} s` : `${Math.round(value / 60000)} min`;
}

async function showHealth() {
  const response = await fetch("readyz");
  const problem = response.ok ? null : await response.json().catch(() => ({}));
  at("health").textContent = response.ok ? "ready" : (problem.missing || ["not ready"]).join("; ");
  at("health").className = `chip ${response.ok ? "good" : "bad"}`;
}

async function showModels() {
  if (at("model").options.length) return;
  const { models } = await read("v1/models");
  at("model").replaceChildren(...models.map((model) => {
    const option = make("option", { value: model.name }, model.synthetic ? `${model.name} (synthetic)` : model.name);
    option.selected = model.default;
    return option;
  }));
}

async function poll() {
  try {
    await showHealth();
    const [queues, workers, jobs] = await Promise.all(
      [read("v1/queues"), read("v1/workers"), read(`v1/jobs?limit=${SHOWN_JOBS}`), showModels()]);
    showLevels(queues);
    showWorkers(workers);
    showJobs(jobs);
  } catch (error) {
    if (!(error instanceof Refused)) {
      at("health").textContent = "the service does not answer";
      at("health").className = "chip bad";
    }
  }
}

async function keepPolling() {
  if (!document.hidden) await poll();
  setTimeout(keepPolling, POLL_MS);
}

at("conf").addEventListener("input", () => { at("conf-shown").textContent = Number(at("conf").value).toFixed(2); });
at("files").addEventListener("change", async (event) => {
  await detect(event.target.files);
  event.target.value = "";
});
at("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("tenfold-key", at("key").value);
  at("key-form").hidden = true;
  poll();
});
at("job-close").addEventListener("click", () => at("job").close());
for (const kind of ["dragenter", "dragover"]) {
  document.addEventListener(kind, (event) => { event.preventDefault(); at("drop").classList.add("over"); });
}
document.addEventListener("dragleave", () => at("drop").classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  at("drop").classList.remove("over");
  detect([...event.dataTransfer.files].filter((file) => file.type.startsWith("image/") || file.type === ""));
});

keepPolling();
