// The public API, and nothing else. The key, where one is needed, is in this tab's session storage.

const KEY = "tenfold-key";

export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `HTTP ${status}`);
    this.status = status;
  }
}

export const key = {
  get: () => sessionStorage.getItem(KEY),
  set: (value) => sessionStorage.setItem(KEY, value),
  forget: () => sessionStorage.removeItem(KEY),
};

export async function call(path, options = {}) {
  const secret = key.get();
  const headers = { ...(options.headers || {}), ...(secret ? { Authorization: `Bearer ${secret}` } : {}) };
  const response = await fetch(path, { ...options, headers });
  if (response.ok) return response;
  const refusal = new Refused(response.status, await response.json().catch(() => ({})));
  if (response.status === 401) document.dispatchEvent(new CustomEvent("locked", { detail: refusal.message }));
  throw refusal;
}

export const read = async (path, options) => (await call(path, options)).json();

const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

const GIVE_UP_MS = 300_000;

// A job's events over fetch, since EventSource can send no key. Where the line breaks, it goes on after the last id.
// `broken` hears whether the line is down.
export async function* follow(jobId, signal, broken) {
  let last = "";
  let heardAt = Date.now();
  for (let wait = 250; Date.now() - heardAt < GIVE_UP_MS; wait = Math.min(2000, wait * 2)) {
    try {
      const response = await call(`v1/jobs/${jobId}/events`, { signal, headers: last ? { "Last-Event-ID": last } : {} });
      if (response.status === 204) return;
      broken(false);
      for await (const event of eventsOf(response.body)) {
        heardAt = Date.now();
        wait = 250;
        last = event.id || last;
        yield event;
        if (event.id?.endsWith("-end")) return;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Refused && error.status < 500) throw error;
    }
    broken(true);
    await pause(wait);
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
      const fields = fieldsOf(block);
      if (fields.event) yield { id: fields.id, kind: fields.event, data: JSON.parse(fields.data) };
    }
  }
}

function fieldsOf(block) {
  const lines = block.split("\n").filter((line) => !line.startsWith(":"));
  return Object.fromEntries(lines.map((line) => {
    const cut = line.indexOf(": ");
    return [line.slice(0, cut), line.slice(cut + 2)];
  }));
}
