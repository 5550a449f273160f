/** @import { HubRow } from "../cli/page/hubs.ts" */
/** @import { ServiceOnPage, ServicesAnswer } from "../cli/page/services.ts" */
/** @import { ServiceAnswer } from "../cli/page/service.ts" */
import { counted, drawing, element, hashOf } from "./elements.js";
import { stateOf } from "./hubs-view.js";
import { endpointMark } from "./services-view.js";

const width = 1000;
const hubBox = { x: 1, width: 210, height: 40 };
const servicesAt = { x: 290, width: 330 };
const endpointsAt = 730;
/** Up to so many services have a row with their name; more are squares. */
const namedServices = 20;
const rowHeight = 24;
const cell = 15;
const columns = Math.floor(servicesAt.width / cell);
const gap = 16;
const drawnEndpoints = 24;

/** @typedef {{ x: number, y: number }} Point */

/**
 * Hubs → services → the endpoints of the service that is looked at.
 * @param {readonly HubRow[]} hubs
 * @param {ServicesAnswer} answer
 * @param {ServiceAnswer | null} chosen
 * @param {Readonly<Record<string, string>>} where what is looked at
 */
export function picture(hubs, { services, found }, chosen, where) {
  const byHub = Map.groupBy(services, ({ hubs: [first = "", ...others] }) =>
    others.includes(where.hub ?? "") ? where.hub : first,
  );
  const keys = new Set([...hubs.map(({ key }) => key), ...byHub.keys()]);
  const groups = [...keys]
    .map((key = "") => ({ key, hub: hubs.find((one) => one.key === key), services: byHub.get(key) ?? [] }))
    .filter(({ services: own, key }) => own.length > 0 || where.hub === key);
  if (groups.length === 0) return element("div");
  const areNamed = services.length <= namedServices;
  const links = drawing("g");
  const marks = drawing("g");
  /** @type {Point | undefined} */
  let chosenAt;
  let top = 8;
  for (const { key, hub, services: own } of groups) {
    const inside = areNamed ? own.length * rowHeight : Math.ceil(own.length / columns) * cell;
    const height = Math.max(hubBox.height, inside);
    const middle = top + height / 2;
    marks.append(hubMark(key, hub, middle));
    if (!areNamed && own.length > 0)
      links.append(curve({ x: 211, y: middle }, { x: servicesAt.x - 6, y: middle }));
    own.forEach((service, index) => {
      const at = areNamed
        ? { x: servicesAt.x, y: middle - inside / 2 + index * rowHeight + rowHeight / 2 }
        : {
            x: servicesAt.x + (index % columns) * cell,
            y: middle - inside / 2 + Math.floor(index / columns) * cell + cell / 2,
          };
      const isChosen = service.host === chosen?.host;
      if (areNamed) links.append(curve({ x: 211, y: middle }, at, isChosen));
      if (isChosen) chosenAt = { x: areNamed ? servicesAt.x + servicesAt.width : at.x + cell - 3, y: at.y };
      marks.append(serviceMark(service, at, areNamed, isChosen, where));
    });
    top += height + gap;
  }
  const height = chosen ? Math.max(top, endpointMarks(chosen, chosenAt, top, links, marks)) : top;
  const drawn = drawing("svg", {
    class: "picture",
    viewBox: `0 0 ${width} ${height}`,
    "aria-hidden": "true",
  });
  drawn.append(links, marks);
  const of = chosen ? `, ${counted(chosen.endpointCount, "endpoint")} of ${chosen.host}` : "";
  const caption = `${counted(groups.length, "hub")}, ${services.length} of ${found} services${of}. The tables say the same.`;
  return element(
    "figure",
    {},
    element("div", { class: "scrolls" }, drawn),
    element("figcaption", {}, caption),
  );
}

/** @param {string} key @param {HubRow | undefined} hub undefined = it is not among those that are shown. @param {number} middle */
function hubMark(key, hub, middle) {
  const about = hub ? `${hub.type}, ${counted(hub.services, "service")}` : "";
  const y = middle - hubBox.height / 2;
  return drawing(
    "a",
    { href: hashOf({ hub: key }), tabindex: -1 },
    drawing("title", {}, hub ? `${key}: ${hub.reason || "no status"}` : key),
    drawing("rect", { class: "box", ...hubBox, y, rx: 5 }),
    drawing("circle", { class: `mark ${hub ? stateOf(hub) : "unknown"}`, cx: 16, cy: middle, r: 5 }),
    drawing("text", { x: 30, y: middle - 4 }, shortened(key, 26)),
    drawing("text", { x: 30, y: middle + 12 }, shortened(about, 26)),
  );
}

/** @param {ServiceOnPage} service @param {Point} at @param {boolean} isNamed @param {boolean} isChosen @param {Readonly<Record<string, string>>} where */
function serviceMark(service, at, isNamed, isChosen, where) {
  const { host, state, endpoints } = service;
  const size = isNamed ? 12 : cell - 3;
  const made = drawing(
    "a",
    { href: hashOf({ ...where, host }), tabindex: -1, class: isChosen ? "chosen" : "" },
    drawing("title", {}, `${host}: ${state}, ${counted(endpoints, "endpoint")}`),
  );
  if (isNamed)
    made.append(
      drawing("rect", { class: "box", x: at.x, y: at.y - 10, width: servicesAt.width, height: 20, rx: 4 }),
      drawing("text", { x: at.x + 24, y: at.y + 4 }, shortened(host, 40)),
      drawing(
        "text",
        { x: at.x + servicesAt.width - 6, y: at.y + 4, "text-anchor": "end" },
        String(endpoints),
      ),
    );
  made.append(
    drawing("rect", {
      class: `mark ${state}`,
      x: at.x + (isNamed ? 6 : 0),
      y: at.y - size / 2,
      width: size,
      height: size,
      rx: state === "held" ? size / 2 : 2,
    }),
  );
  return made;
}

/** Draws the endpoints, and returns how far down they reach. @param {ServiceAnswer} service @param {Point | undefined} from @param {number} height @param {Element} links @param {Element} marks */
function endpointMarks({ endpoints, endpointCount }, from, height, links, marks) {
  const drawn = endpoints.slice(0, drawnEndpoints);
  const more = endpointCount - drawn.length;
  const needed = (drawn.length + (more > 0 ? 1 : 0)) * rowHeight;
  const start = Math.max(8, Math.min((from?.y ?? height / 2) - needed / 2, height - needed));
  drawn.forEach((one, index) => {
    const at = { x: endpointsAt, y: start + index * rowHeight + rowHeight / 2 };
    if (from) links.append(curve(from, { x: at.x - 8, y: at.y }, true));
    marks.append(
      drawing(
        "g",
        {},
        drawing("title", {}, `${one.endpoint}: ${one.state}${one.why === "" ? "" : `, ${one.why}`}`),
        drawing("circle", { class: `mark ${endpointMark[one.state]}`, cx: at.x, cy: at.y, r: 5 }),
        drawing("text", { x: at.x + 12, y: at.y + 4 }, shortened(one.endpoint, 34)),
      ),
    );
  });
  if (more > 0)
    marks.append(
      drawing("text", { x: endpointsAt + 12, y: start + drawn.length * rowHeight + 16 }, `and ${more} more`),
    );
  return start + needed + gap;
}

/** @param {Point} from @param {Point} to @param {boolean} isChosen */
function curve(from, to, isChosen = false) {
  const middle = (from.x + to.x) / 2;
  const d = `M${from.x} ${from.y}C${middle} ${from.y} ${middle} ${to.y} ${to.x} ${to.y}`;
  return drawing("path", { class: isChosen ? "link chosen" : "link", d });
}

/** @param {string} value @param {number} most */
const shortened = (value, most) => (value.length > most ? `${value.slice(0, most - 1)}…` : value);
