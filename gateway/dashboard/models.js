// What can be asked for: each model, who holds which version, and how far a reload is.

import { at, make, show } from "./dom.js";
import { count } from "./words.js";

export function showModels(models) {
  const rows = models.map(row);
  show(at("models"), rows.length ? rows : make("li", { class: "empty" }, "No worker has announced a model yet."));
}

function row(model) {
  return make("li", { class: "model-row" },
    make("p", {}, make("strong", { class: "model-name" }, model.name), " ",
      model.default ? make("span", { class: "chip plain" }, "default") : null, " ",
      model.workers === 0 ? make("span", { class: "chip bad" }, "no worker") : null),
    make("p", { class: "soft" }, [
      model.synthetic ? "of known cost, finds nothing real" : "",
      `input ${[...model.sizes].sort((a, b) => a - b).join(", ")}`,
      model.labels.length ? count(model.labels.length, "class", "classes") : "",
    ].filter(Boolean).join(" · ")),
    model.versions.length ? make("p", { class: "soft" }, model.versions.map(({ version, workers }, place) =>
      [place ? ", " : "", make("span", { class: "id" }, version), ` with ${count(workers, "worker")}`]).flat()) : null,
    reload(model.reload));
}

function reload(told) {
  if (!told) return null;
  const failed = told.workers.filter((worker) => worker.error);
  const waiting = told.workers.filter((worker) => !worker.error && worker.state === "pending").length;
  if (failed.length) return make("p", { class: "bad" }, `The last reload failed with ${count(failed.length, "worker")}: ${failed[0].error}`);
  if (!told.done) return make("p", { class: "busy-text" }, `A reload is under way${waiting ? `, ${count(waiting, "worker")} still to answer` : ""}.`);
  return make("p", { class: "soft" }, `Last reload: done by ${count(told.workers.length, "worker")}.`);
}
