// Numbers, times and states as people read them.

export const FINAL = new Set(["succeeded", "failed", "canceled", "expired"]);
// What a job's bar is coloured by.
export const BAR = { succeeded: "tone-done", failed: "tone-bad", expired: "tone-bad", canceled: "tone-soft" };
export const TONE = { succeeded: "good", running: "busy", queued: "", failed: "bad", canceled: "", expired: "bad" };

export const count = (many, word, words = `${word}s`) => `${number(many)} ${many === 1 ? word : words}`;

export function duration(value) {
  if (value === null || value === undefined) return "–";
  if (value < 1000) return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
  if (value < 60_000) return `${(value / 1000).toFixed(1)} s`;
  const seconds = Math.round(value / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  if (value < 172_800_000) return `${(value / 3_600_000).toFixed(1)} h`;
  return `${(value / 86_400_000).toFixed(1)} days`;
}

export const number = (value) => value.toLocaleString("en");

export const rate = (value) => (value >= 100 ? Math.round(value).toLocaleString("en") : value.toFixed(1));

export function clock(iso) {
  const time = new Date(iso);
  const today = new Date().toDateString() === time.toDateString();
  return today ? time.toLocaleTimeString() : `${time.toLocaleDateString()} ${time.toLocaleTimeString()}`;
}

// For how long a job was under way; "" while it is.
export const tookOf = (job) => (job.finished_at ? `took ${duration(Date.parse(job.finished_at) - Date.parse(job.created_at))}` : "");

// The end of an id tells jobs apart; its beginning is the time.
export const brief = (id) => id.slice(-8);

export function summary(detections) {
  if (detections.length === 0) return "nothing found";
  const counts = new Map();
  detections.forEach((found) => counts.set(found.label, (counts.get(found.label) || 0) + 1));
  return [...counts].sort(([, a], [, b]) => b - a).map(([label, many]) => `${many} × ${label}`).join(", ");
}
