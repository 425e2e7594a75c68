// Elements, made and found. All text goes in as text, never as markup.

export const at = (id) => document.getElementById(id);

const SVG = "http://www.w3.org/2000/svg";

function build(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") Object.entries(value).forEach(([event, run]) => node.addEventListener(event, run));
    else if (value === true) node.setAttribute(name, "");
    else if (value !== undefined && value !== null && value !== false) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

export const make = (tag, attributes = {}, ...children) => build(document.createElement(tag), attributes, children);

export const draw = (tag, attributes = {}, ...children) => build(document.createElementNS(SVG, tag), attributes, children);

// Puts new children in place of the old ones. What had the focus keeps it, by its data-focus.
export function show(parent, ...children) {
  const focused = parent.contains(document.activeElement) ? document.activeElement.dataset.focus : undefined;
  parent.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  if (focused) parent.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}
