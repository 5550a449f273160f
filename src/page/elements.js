/**
 * Elements of the page. Everything that comes from a registry or from the cluster is anybody's text: it becomes text nodes, and
 * nothing else.
 */

/**
 * @param {string} tag
 * @param {Readonly<Record<string, string>>} attributes
 * @param {readonly (Node | string)[]} children a string becomes text.
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/**
 * @param {string} tag
 * @param {Readonly<Record<string, string | number>>} attributes
 * @param {readonly (Node | string)[]} children
 */
export function drawing(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  made.append(...children);
  return made;
}

/** Somebody's text, whose direction of writing ends with it. @param {string} value */
export const text = (value) => element("bdi", {}, value);

/**
 * @param {Readonly<Record<string, string>>} where `hub`, `host`, `search`, `state`; what is "" is left out.
 * @param {Node} label
 */
export const link = (where, label) => element("a", { href: hashOf(where) }, label);

/** The part of the page's address that says what is looked at. @param {Readonly<Record<string, string>>} where */
export function hashOf(where) {
  const told = Object.entries(where).filter(([, value]) => value !== "");
  return `#${new URLSearchParams(told)}`;
}

/**
 * @param {string} caption
 * @param {readonly string[]} headings
 * @param {readonly HTMLElement[]} rows
 */
export function table(caption, headings, rows) {
  const heads = headings.map((heading) => element("th", { scope: "col" }, heading));
  const made = element(
    "table",
    {},
    element("caption", {}, caption),
    element("thead", {}, element("tr", {}, ...heads)),
    element("tbody", {}, ...rows),
  );
  return element("div", { class: "scrolls", tabindex: "0", role: "region", "aria-label": caption }, made);
}

/** @param {readonly (Node | string | number)[]} cells a number is set to the right. @param {boolean} isChosen */
export function row(cells, isChosen = false) {
  const made = cells.map((cell) =>
    typeof cell === "number"
      ? element("td", { class: "number" }, String(cell))
      : element("td", {}, typeof cell === "string" ? text(cell) : cell),
  );
  return element("tr", isChosen ? { class: "chosen" } : {}, ...made);
}

/** A state by its colour, its sign and its name. @param {string} state @param {string} label */
export const stateMark = (state, label = state) => element("span", { class: `state ${state}` }, text(label));

/** In UTC, as the sentences beside it have their times. @param {string} time RFC 3339; "" = never. */
export function clockTime(time) {
  const at = new Date(time);
  return Number.isNaN(at.getTime()) ? "–" : at.toISOString().replace(/\.\d+/, "");
}

/** "1 service", "2 services". @param {number} count @param {string} noun */
export const counted = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;
