// A picture with its boxes: drawn here from the file and its result, or fetched as the server drew it.

import { call } from "./api.js";
import { make } from "./dom.js";
import { hueOf, opens } from "./viewer.js";
import { count, duration, summary } from "./words.js";

const SIDE_MAX = 1280;

export async function picture(file, result) {
  const caption = captioned(result);
  const figure = make("figure", {}, caption);
  if (result.error) return withoutPicture(figure);
  const canvas = make("canvas", { role: "img", "aria-label": `${result.name}: ${summary(result.detections)}` });
  const button = opens(figure, result, canvas, () => copyOf(canvas));
  try {
    const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
    paint(canvas, bitmap, result);
    bitmap.close();
  } catch {
    button.remove();
    caption.append(make("p", {}, "This browser cannot show the file; its boxes are in the results."));
  }
  return figure;
}

export async function kept(jobId, result) {
  const caption = captioned(result);
  const figure = make("figure", {}, caption);
  if (result.error) return withoutPicture(figure);
  try {
    const blob = await (await call(`v1/jobs/${jobId}/images/${result.index}`)).blob();
    opens(figure, result, imageOf(blob, result), () => imageOf(blob, result));
  } catch (error) {
    withoutPicture(figure);
    caption.append(make("p", {}, error.message));
  }
  return figure;
}

// Results come as they end; the pictures stand in the order in which they were given.
export function putInOrder(parent, figure, index) {
  figure.dataset.index = index;
  const after = [...parent.children].find((other) => Number(other.dataset.index) > index);
  parent.insertBefore(figure, after ?? null);
}

function withoutPicture(figure) {
  figure.prepend(make("div", { class: "no-picture", "aria-hidden": "true" }, "no picture"));
  return figure;
}

function imageOf(blob, result) {
  const url = URL.createObjectURL(blob);
  const image = make("img", { alt: `${result.name}: ${summary(result.detections)}`, on: { load: () => URL.revokeObjectURL(url) } });
  image.src = url;
  return image;
}

function copyOf(canvas) {
  const copy = make("canvas", { role: "img", "aria-label": canvas.getAttribute("aria-label"), width: canvas.width, height: canvas.height });
  copy.getContext("2d").drawImage(canvas, 0, 0);
  return copy;
}

function captioned(result) {
  const lines = result.error
    ? [make("p", { class: "bad" }, result.error.message)]
    : [make("p", { class: "found" }, summary(result.detections)), ...told(result)];
  return make("figcaption", {}, make("strong", {}, result.name), ...lines);
}

function told({ timing, batch }) {
  const lines = [];
  if (timing) lines.push(`waited ${duration(timing.queued_ms)}, decoded ${duration(timing.decode_ms)}, computed ${duration(timing.inference_ms)}`);
  if (batch) lines.push(`in a batch of ${count(batch.size, "image")} at level ${batch.level}, by ${batch.worker}`);
  return lines.map((line) => make("p", {}, line));
}

// Boxes are in pixels of the whole image; the canvas is smaller where that is large.
function paint(canvas, bitmap, result) {
  const scale = Math.min(1, SIDE_MAX / Math.max(bitmap.width, bitmap.height));
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext("2d");
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  const longest = Math.max(canvas.width, canvas.height);
  const pen = { width: Math.max(2, Math.round(longest / 300)), size: Math.max(11, Math.round(longest / 42)) };
  context.font = `600 ${pen.size}px system-ui, sans-serif`;
  context.textBaseline = "top";
  const weakestFirst = [...result.detections].sort((a, b) => a.score - b.score);
  for (const found of weakestFirst) paintBox(context, found, scale, pen);
}

function paintBox(context, found, scale, { width, size }) {
  const [x1, y1, x2, y2] = found.box.map((side) => side * scale);
  const hue = hueOf(found.class_id);
  const color = `hsl(${hue} 89% 54%)`;
  context.strokeStyle = color;
  context.lineWidth = width;
  context.strokeRect(x1, y1, x2 - x1, y2 - y1);
  const text = `${found.label} ${found.score.toFixed(2)}`;
  const wide = context.measureText(text).width + size * 0.6;
  const left = Math.max(0, Math.min(x1 - width / 2, context.canvas.width - wide));
  const top = y1 > size * 1.4 ? y1 - size * 1.4 : y1;
  context.fillStyle = color;
  context.fillRect(left, top, wide, size * 1.4);
  context.fillStyle = hue > 200 && hue < 290 ? "#fff" : "#000";
  context.fillText(text, left + size * 0.3, top + size * 0.2);
}
