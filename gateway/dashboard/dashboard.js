// The page itself: what is open, what is read each second, and who answers to the hand.

import { Refused, key, read } from "./api.js";
import { detect } from "./detect.js";
import { at, make, show } from "./dom.js";
import { showFigures } from "./figures.js";
import { closeJob, openJob, refreshJob, shownJob } from "./job.js";
import { readJobs, showJobs, showOlder } from "./jobs.js";
import { showLevels } from "./levels.js";
import { showModels } from "./models.js";
import { startTheme } from "./theme.js";
import { generate, readValues, showValues } from "./values.js";
import { startViewer } from "./viewer.js";
import { showWorkers } from "./workers.js";

const POLL_MS = 1000;

// Without a key where keys are on: the figures may be there to see (a guest sees them), or nothing is (locked).
let locked = false;
let guest = false;

// What is read

function showChip(text, tone) {
  if (at("health").textContent !== text) at("health").textContent = text;
  at("health").className = `chip ${tone}`;
}

async function showHealth() {
  const response = await fetch("readyz");
  const problem = response.ok ? null : await response.json().catch(() => ({}));
  showChip(response.ok ? "ready" : (problem.missing || ["not ready"]).join("; "), response.ok ? "good" : "bad");
}

// `why` is "" while all is well.
function showLost(why) {
  at("lost").hidden = !why;
  const text = why && `${why}. What stands here is what it last told; the page goes on by itself once it is back.`;
  if (at("lost").textContent !== text) at("lost").textContent = text;
  at("main").classList.toggle("stale", Boolean(why));
}

function whyLost(error) {
  if (!(error instanceof Refused)) {
    showChip("no answer", "bad");
    return "The service does not answer";
  }
  return error.status >= 500 ? `The service cannot tell how it stands: ${error.message}` : "";
}

let modelsKnown = "";

function offerModels(models) {
  const names = models.map((model) => model.name).join();
  if (names === modelsKnown) return;
  modelsKnown = names;
  show(at("model"), models.map((model) =>
    make("option", { value: model.name, selected: model.default }, model.synthetic ? `${model.name} (synthetic)` : model.name)));
}

async function readOverview() {
  const queues = await read("v1/queues");
  const asGuest = queues.view === "figures";
  const [{ workers, values_workers: valuesWorkers }, { models }, jobs, values] = await Promise.all(
    [read("v1/workers"), read("v1/models"), asGuest ? null : readJobs(), asGuest ? null : readValues()]);
  if (guest !== asGuest) {
    guest = asGuest;
    showView();
  }
  showFigures(queues, workers);
  showLevels(queues);
  showWorkers(workers, valuesWorkers, queues);
  showModels(models);
  if (asGuest) return;
  offerModels(models);
  showJobs(jobs);
  showValues(values);
}

async function poll() {
  try {
    await showHealth();
    if (!locked) await (shownJob() ? refreshJob() : readOverview());
    showLost("");
  } catch (error) {
    showLost(whyLost(error));
  }
}

async function keepPolling() {
  if (!document.hidden) await poll();
  setTimeout(keepPolling, POLL_MS);
}

// What is open

function showView() {
  const id = /^#\/jobs\/([A-Za-z0-9]{1,64})$/.exec(location.hash)?.[1];
  at("locked").hidden = !locked && !guest;
  at("locked").classList.toggle("beside", guest && !locked);
  at("locked-title").textContent = guest && !locked ? "Only the figures are open" : "This service asks for a key";
  at("overview").hidden = locked || Boolean(id);
  at("detect-card").hidden = guest;
  at("jobs-card").hidden = guest;
  at("values-card").hidden = guest;
  at("job").hidden = locked || !id;
  at("forget").hidden = locked || !key.get();
  document.title = id ? `Job ${id.slice(-8)} · Tenfold` : "Tenfold";
  if (id && id !== shownJob()) openJob(id);
  if (!id && shownJob()) closeJob();
  if (at("viewer").open) at("viewer").close();
}

function lock(why) {
  if (locked) return;
  locked = true;
  guest = false;
  if (key.get()) at("locked-said").textContent = `${why}: enter another one.`;
  key.forget();
  showView();
  at("key").focus();
}

document.addEventListener("locked", (event) => lock(event.detail));
document.addEventListener("changed", poll);
window.addEventListener("hashchange", () => {
  // What is open without a key shows itself at the next look.
  locked = false;
  showView();
  poll();
});
document.addEventListener("visibilitychange", () => { if (!document.hidden) poll(); });

at("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  key.set(at("key").value);
  at("key").value = "";
  locked = false;
  guest = false;
  showView();
  at("main").focus();
  poll();
});
at("forget").addEventListener("click", () => {
  key.forget();
  poll();
});
at("state").addEventListener("change", poll);
at("older").addEventListener("click", () => { showOlder(); poll(); });

// Images

const maySend = () => !locked && !guest;

const isImage = (file) => file.type.startsWith("image/") || file.type === "";

at("conf").addEventListener("input", () => { at("conf-shown").textContent = Number(at("conf").value).toFixed(2); });
at("files").addEventListener("change", (event) => {
  // Read before the value is emptied, so that the same file can be chosen again.
  const files = [...event.target.files];
  event.target.value = "";
  detect(files);
});
for (const kind of ["dragenter", "dragover"]) {
  document.addEventListener(kind, (event) => { event.preventDefault(); at("drop").classList.add("over"); });
}
document.addEventListener("dragleave", (event) => { if (event.relatedTarget === null) at("drop").classList.remove("over"); });
document.addEventListener("drop", (event) => {
  event.preventDefault();
  at("drop").classList.remove("over");
  if (maySend()) detect([...event.dataTransfer.files].filter(isImage));
});
document.addEventListener("paste", (event) => {
  if (maySend()) detect([...event.clipboardData.files].filter(isImage));
});

at("generate").addEventListener("click", generate);

startTheme();
startViewer();
showView();
keepPolling();
