/** @import { HubsAnswer } from "../cli/page/hubs.ts" */
/** @import { ServicesAnswer } from "../cli/page/services.ts" */
/** @import { ServiceAnswer } from "../cli/page/service.ts" */
/** @import { Change } from "../model/change.ts" */
import { askChanges, askHubs, askService, askServices } from "./answers.js";
import { clockTime, hashOf, text } from "./elements.js";
import { changesTable, hubDetail, hubsTable } from "./hubs-view.js";
import { picture } from "./picture.js";
import { foundText, serviceDetail, servicesTable } from "./services-view.js";

const everyMs = 3_000;
const typingMs = 250;
const keptChanges = 1_000;

/**
 * @typedef {{ of: string, last: number, changes: readonly Change[] }} History `of` = the process whose it is.
 * @typedef {{ hubs?: HubsAnswer, services?: ServicesAnswer, service: ServiceAnswer | null, history: History }} Known
 */
/** @type {Known} */
let known = { service: null, history: { of: "", last: 0, changes: [] } };
/** What is shown in each place, as text: what did not change is left alone, with its focus and its selection. */
const shown = new Map();
/** Counts what was asked: an answer that is late must not replace a newer one. */
let turn = 0;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

/** What is looked at, by the address of the page. */
function where() {
  const asked = new URLSearchParams(location.hash.slice(1));
  /** @param {string} name */
  const of = (name) => asked.get(name) ?? "";
  return { hub: of("hub"), host: of("host"), search: of("search"), state: of("state") };
}

/** Reads everything that is looked at, shows it, and does so again later while somebody looks. */
async function refresh() {
  clearTimeout(timer);
  const mine = ++turn;
  const asked = where();
  try {
    const [hubs, services, service, history] = await Promise.all([
      askHubs(asked),
      askServices(asked),
      asked.host === "" ? null : askService(asked.host),
      readHistory(known.history),
    ]);
    if (mine !== turn) return;
    known = { hubs, services, service, history };
    show(asked, known);
    tell(`As of ${clockTime(hubs.at)}, by ${hubs.identity}`, false);
  } catch (error) {
    if (mine !== turn) return;
    const since = known.hubs ? ` What you see is as of ${clockTime(known.hubs.at)}.` : "";
    const why = error instanceof Error ? error.message : String(error);
    tell(`No answer (${why}). Is the port-forward still there, and does its pod still lead?${since}`, true);
  }
  if (!document.hidden) timer = setTimeout(() => void refresh(), everyMs);
}

/** What has been added since, or all if another operator answers. @param {History} before @returns {Promise<History>} */
async function readHistory(before) {
  const added = await askChanges(before.last);
  const of = `${added.identity} ${added.since}`;
  if (of === before.of)
    return { of, last: added.last, changes: [...before.changes, ...added.changes].slice(-keptChanges) };
  const { last, changes } = before.last === 0 ? added : await askChanges(0);
  return { of, last, changes };
}

/** @param {ReturnType<typeof where>} asked @param {Known} known */
function show(asked, { hubs, services, service, history: { changes } }) {
  if (hubs === undefined || services === undefined) return;
  const { hub } = hubs;
  put("hubs", [hubs.hubs, hubs.total, hubs.bad, asked.hub], () => hubsTable(hubs, asked.hub));
  at("hub-section").hidden = asked.hub === "";
  put("hub-title", asked.hub, () => text(asked.hub));
  put("hub", [hub, asked.hub], () => (hub ? hubDetail(hub) : text("There is no such hub.")));
  put("found", services, () => text(foundText(services)));
  put("picture", [hubs.hubs, services, service, asked], () => picture(hubs.hubs, services, service, asked));
  put("service", [service, asked], () => {
    if (service) return serviceDetail(service, asked);
    return text(asked.host === "" ? "" : `${asked.host} has no ServiceEntry of the operator.`);
  });
  put("services", [services, asked], () => servicesTable(services, asked));
  put("changes", [changes, asked], () => changesTable(changes, asked.hub, asked.host));
}

/** Fills a place, if what it shows has changed. @param {string} id @param {unknown} data @param {() => Node} make */
function put(id, data, make) {
  const now = JSON.stringify(data);
  if (shown.get(id) === now) return;
  shown.set(id, now);
  const place = at(id);
  const focused = place.contains(document.activeElement)
    ? document.activeElement?.getAttribute("href")
    : null;
  place.replaceChildren(make());
  if (focused) [...place.querySelectorAll("a")].find((one) => one.getAttribute("href") === focused)?.focus();
}

/** @param {string} words @param {boolean} isLost */
function tell(words, isLost) {
  const place = at("freshness");
  place.textContent = words;
  place.classList.toggle("lost", isLost);
}

/** @param {string} id */
function at(id) {
  const place = document.getElementById(id);
  if (place === null) throw new Error(`the page has no ${id}`);
  return place;
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let typing;
const search = /** @type {HTMLInputElement} */ (at("search"));
const state = /** @type {HTMLSelectElement} */ (at("state"));

/** Takes the form from the address. */
function fillForm() {
  clearTimeout(typing);
  const asked = where();
  search.value = asked.search;
  state.value = asked.state;
}

function formChanged() {
  clearTimeout(typing);
  const { hub, host } = where();
  history.replaceState(null, "", hashOf({ hub, host, search: search.value.trim(), state: state.value }));
  void refresh();
}

search.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(formChanged, typingMs);
});
state.addEventListener("change", formChanged);
at("filter").addEventListener("submit", (event) => {
  event.preventDefault();
  formChanged();
});
window.addEventListener("hashchange", () => {
  fillForm();
  void refresh();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) void refresh();
});
fillForm();
await refresh();
