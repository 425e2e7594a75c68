// Who works, and on what.

import { at, make, show } from "./dom.js";
import { tile } from "./levels.js";
import { count, duration } from "./words.js";

const LATE_MS = 5000;

// What it holds, as the scheduler told: of the same moment as the lanes.
export function showWorkers(workers, valuesWorkers, queues) {
  const rows = workers.map((worker) => row(worker, queues.batches.filter((batch) => batch.worker === worker.name)));
  const values = valuesWorkers.map((worker) => valuesRow(worker, queues.values));
  show(at("workers"), rows.length ? rows : make("li", { class: "empty" }, "No worker lives."), values);
}

const heard = (worker) => (worker.beat_age_ms > LATE_MS
  ? make("span", { class: "bad" }, ` · last heard ${duration(worker.beat_age_ms)} ago`) : null);

function valuesRow(worker, values) {
  return make("li", { class: "worker" },
    make("div", { class: "worker-name" }, make("span", { class: "chip" }, "values"), make("strong", {}, worker.name)),
    make("p", { class: "soft" }, `${worker.queue} · ${values.queued.toLocaleString("en")} due, ${values.to_come.toLocaleString("en")} to come`,
      heard(worker)));
}

function row(worker, held) {
  return make("li", { class: "worker" },
    make("div", { class: "worker-name" },
      make("span", { class: `chip ${worker.state === "busy" ? "busy" : "good"}` }, worker.state),
      make("strong", {}, worker.name)),
    make("p", { class: "soft held", title: worker.models.map((model) => `${model.name} ${model.version}`).join("\n") }, worker.models.map((model) => model.name).join(", ")),
    make("p", { class: "soft" }, `${worker.device} · ${worker.levels.length === 1 ? "level" : "levels"} ${worker.levels.join(", ")}`,
      heard(worker)),
    make("div", { class: "tiles" }, held.map((batch) => tile(batch)),
      held.length ? null : make("span", { class: "none" }, worker.batches.length ? count(worker.batches.length, "batch", "batches") : "nothing in hand")));
}
