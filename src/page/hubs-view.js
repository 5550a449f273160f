/** @import { HubOnPage, HubRow, HubsAnswer } from "../cli/page/hubs.ts" */
/** @import { Change } from "../model/change.ts" */
import { clockTime, counted, element, link, row, stateMark, table, text } from "./elements.js";

const shownChanges = 200;

/** A hub in each row. @param {HubsAnswer} answer @param {string} chosen the key of a hub, or "" */
export function hubsTable({ hubs, total, bad }, chosen) {
  if (total === 0) return element("p", {}, "There is no RegistryHub in the cluster.");
  const rows = hubs.map((hub) =>
    row(
      [
        link({ hub: hub.key }, text(hub.key)),
        hub.type,
        hub.target,
        stateMark(stateOf(hub), hub.reason || "no status"),
        hub.services,
        hub.endpoints,
        hub.held ? `${counted(hub.held.services, "service")} (${hub.held.reason})` : "–",
        hub.problemCount,
        clockTime(hub.lastWrite),
      ],
      hub.key === chosen,
    ),
  );
  const headings = [
    "Hub",
    "Type",
    "Target",
    "State",
    "Services",
    "Endpoints",
    "Held",
    "Problems",
    "Last write",
  ];
  const need = bad === 0 ? "All are fine." : `${bad} of ${total} need a look.`;
  const more = hubs.length < total ? ` The first ${hubs.length} of ${total} are shown.` : "";
  return table(`${need}${more}`, headings, rows);
}

/** What is the matter with one hub, and what to do. @param {HubOnPage} hub */
export function hubDetail(hub) {
  const { trouble, held, problems } = hub;
  return element(
    "div",
    {},
    element(
      "p",
      {},
      text(hub.type),
      " at ",
      text(hub.address),
      ", writes to namespace ",
      text(hub.target),
      ", policy ",
      text(hub.policy),
    ),
    ...(trouble
      ? [card("bad", hub.reason || "no status", `cause: ${trouble.cause}`, `fix: ${trouble.fix}`)]
      : []),
    ...(held ? [holdCard(hub, held)] : []),
    ...(hub.plan
      ? [
          element(
            "p",
            {},
            `Would create ${hub.plan.create}, change ${hub.plan.change}, remove ${hub.plan.remove} ServiceEntries.`,
          ),
        ]
      : []),
    ...(problems.length > 0 ? [problemsTable(hub)] : []),
  );
}

/** The changes of a hub or a host, the newest first. @param {readonly Change[]} changes @param {string} hub @param {string} host */
export function changesTable(changes, hub, host) {
  const wanted = changes.filter(
    (one) => (hub === "" || hubsOf(one).includes(hub)) && (host === "" || one.host === host),
  );
  if (wanted.length === 0) return element("p", { class: "quiet" }, "None since this operator leads.");
  const rows = wanted
    .slice(-shownChanges)
    .reverse()
    .map((one) =>
      row([
        element("time", { datetime: one.at }, clockTime(one.at)),
        one.what,
        hubsOf(one).join(", "),
        one.host === "" ? "" : link({ hub, host: one.host }, text(one.host)),
        one.endpoint,
        one.why,
      ]),
    );
  const caption = `The last ${rows.length} of ${wanted.length}; the operator keeps 1,000.`;
  return table(caption, ["Time", "What", "Hub", "Host", "Endpoint", "Why"], rows);
}

/** @param {Change} change */
const hubsOf = ({ hub, others = [] }) => [hub, ...others];

/** @param {HubRow} hub */
export const stateOf = ({ isFine, trouble }) => (isFine ? "fine" : trouble ? "bad" : "held");

/** @param {HubOnPage} hub @param {NonNullable<HubOnPage["held"]>} held */
function holdCard({ endOfHold }, held) {
  const made = card("held", `Removals are held: ${held.reason}`, `cause: ${held.meaning}`);
  made.append(
    element(
      "p",
      {},
      text(
        `${counted(held.services, "service")} with ${counted(held.endpoints, "endpoint")}, since ${clockTime(held.since)}, until ${clockTime(held.until)}`,
      ),
    ),
    element("p", {}, "fix: ", text(held.isReleased ? "nothing; somebody has released it" : endOfHold)),
  );
  if (held.release !== "") made.append(element("p", {}, "To release: ", element("code", {}, held.release)));
  return made;
}

/** @param {HubOnPage} hub */
function problemsTable({ problems, rejected }) {
  const rows = problems.map(({ at, code, detail, severity }) => row([severity, code, at, detail]));
  const caption = `Problems: ${problems.length} shown, ${rejected} rejected in all.`;
  return table(caption, ["Severity", "Problem", "At", "Detail and next step"], rows);
}

/** @param {string} kind @param {string} title @param {readonly string[]} lines */
function card(kind, title, ...lines) {
  const paragraphs = lines.map((line) => element("p", {}, text(line)));
  return element("div", { class: `card ${kind}` }, element("h3", {}, text(title)), ...paragraphs);
}
