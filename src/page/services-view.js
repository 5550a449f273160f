/** @import { ServicesAnswer } from "../cli/page/services.ts" */
/** @import { ServiceAnswer } from "../cli/page/service.ts" */
import { clockTime, counted, element, hashOf, link, row, stateMark, table, text } from "./elements.js";

/** What an endpoint's state looks like. @type {Readonly<Record<ServiceAnswer["endpoints"][number]["state"], string>>} */
export const endpointMark = { listed: "fine", kept: "held", unknown: "unknown" };

/** How many there are, and how many of them are shown. @param {ServicesAnswer} answer */
export function foundText({ total, found, services }) {
  const matching =
    found === total ? counted(total, "service") : `${found} of ${counted(total, "service")} match`;
  return services.length < found
    ? `${matching}; the first ${services.length} are shown. Search to see others.`
    : `${matching}.`;
}

/** @param {ServicesAnswer} answer @param {Readonly<Record<string, string>>} where what is looked at */
export function servicesTable({ services }, where) {
  const rows = services.map((one) =>
    row(
      [
        link({ ...where, host: one.host }, text(one.host)),
        one.service,
        stateMark(one.state),
        one.endpoints,
        one.protocol,
        one.port,
        one.vip,
        one.hubs.join(", "),
      ],
      one.host === where.host,
    ),
  );
  const headings = ["Host", "Service", "State", "Endpoints", "Protocol", "Port", "Virtual IP", "Hubs"];
  return table("Services by host", headings, rows);
}

/** One service and its endpoints. @param {ServiceAnswer} service @param {Readonly<Record<string, string>>} where */
export function serviceDetail(service, where) {
  const { host, name, kind, vip, protocol, port, exportTo, emptySince, endpoints, endpointCount } = service;
  const rows = endpoints.map((one) =>
    row([
      one.endpoint,
      stateMark(endpointMark[one.state], one.why === "" ? one.state : `${one.state}: ${one.why}`),
      one.weight,
      one.locality,
      one.mtls ? "mTLS" : "plain",
      one.hubs.join(", "),
      Object.entries(one.labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(" "),
    ]),
  );
  const headings = ["Endpoint", "State", "Weight", "Locality", "Called by", "Hubs", "Labels"];
  const seenBy = exportTo ? `namespaces ${exportTo.join(", ")}` : "all namespaces";
  return element(
    "div",
    { class: "card" },
    element("h3", {}, text(host), " ", element("a", { href: hashOf({ ...where, host: "" }) }, "close")),
    element("p", {}, text(service.service)),
    element(
      "p",
      {},
      text(
        `${kind}, ${protocol} port ${port}, virtual IP ${vip || "none"}, ServiceEntry ${name}, seen by ${seenBy}`,
      ),
    ),
    ...(emptySince === undefined
      ? []
      : [element("p", {}, stateMark("empty", `empty since ${clockTime(emptySince)}: calls fail fast`))]),
    ...explainCommand(host),
    table(`${counted(endpointCount, "endpoint")}, ${endpoints.length} shown`, headings, rows),
  );
}

/** What tells more. Nobody is to paste into a shell what else a host may hold. @param {string} host */
function explainCommand(host) {
  const [, namespace, name] = /^([-a-z0-9]+)\/([-.a-z0-9]+)$/.exec(host) ?? [];
  if (namespace === undefined) return [];
  const command = `kubectl registryhub explain -n ${namespace} ${name}`;
  return [element("p", {}, "More: ", element("code", {}, command))];
}
