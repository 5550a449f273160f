import type { Ms } from "../../model/entry.ts";
import { field, table } from "../output.ts";
import { hubLines } from "../status/view.ts";
import type { AddressReport } from "./address-report.ts";
import { type Finding, findingLines } from "./finding.ts";
import type { HubExplained } from "./hub-entries.ts";
import { type RegistrySays, saidInWords } from "./registry-says.ts";
import type { EndpointReport, EntryReport, HostReport } from "./report.ts";

/** More than a screen of endpoints or hosts is left to `-o wide`. */
const shownAtMost = 20;

/** The whole chain of a host. */
export function hostLines(report: HostReport, isWide: boolean): readonly string[] {
  const { host, namespace, findings, answer, entry, endpoints } = report;
  return [
    ...headLines(host, findings, entry ? "has a ServiceEntry, and nothing is wrong with it" : ""),
    "",
    ...section(
      "hubs",
      report.hubs.map(({ hub, ready, says }) => [hub, ready || "-", says]),
      namespace === "" ? "none" : `none has namespace ${namespace} as its target`,
    ),
    ...section(
      "registry",
      report.registries.flatMap((one) => registryRows(one, isWide)),
    ),
    ...(entry ? entryLines(entry) : [field("entry", "none")]),
    ...section("endpoints", shown(endpoints, isWide).map(endpointRow), "none", moreThan(endpoints, isWide)),
    ...section(
      "filters",
      report.filters.map(({ does, namespace: place, name }) => [does, `${place}/${name}`]),
      "none",
    ),
    ...section(
      "rules",
      report.rules.map(({ kind, key, verdict, detail }) => [`${kind} ${key}`, verdict, detail]),
      "none",
    ),
    ...section(
      "also has it",
      report.others.map(({ kind, key, owner }) => [`${kind} ${key}`, owner]),
      "nobody",
    ),
    ...lastLines(findings, report.unseen, answer),
  ];
}

/** The hosts of an address. */
export function addressLines(report: AddressReport, isWide: boolean): readonly string[] {
  const { address, findings, endpoints, answer } = report;
  const rows = shown(endpoints, isWide).map((one) => [one.host, ...endpointRow(one)]);
  return [
    ...headLines(address, findings, "is an endpoint, and nothing is wrong with it"),
    "",
    ...section("hosts", rows, "none", moreThan(endpoints, isWide)),
    ...lastLines(findings, report.unseen, answer),
  ];
}

/** A hub as `status` shows it, and its hosts. */
export function hubExplainedLines(report: HubExplained, now: Ms, isWide: boolean): readonly string[] {
  const { hub, hosts, answer, unseen } = report;
  const rows = shown(hosts, isWide).map(({ host, endpoints }) => [host, String(endpoints)]);
  return [
    ...hubLines(hub, now),
    ...section("hosts", rows, "none", moreThan(hosts, isWide)),
    ...lastLines([], unseen, answer),
  ];
}

function headLines(subject: string, findings: readonly Finding[], fine: string): readonly string[] {
  const [worst] = findings;
  return worst ? findingLines(subject, worst) : [`${subject} ${fine}`];
}

/** What else is wrong, what was not seen, and the answer. */
function lastLines(
  [, ...more]: readonly Finding[],
  unseen: readonly string[],
  answer: string,
): readonly string[] {
  return [
    ...section(
      "also",
      more.flatMap(({ effect, cause, fix }) => [[`${effect}: ${cause}`], [`fix: ${fix}`]]),
    ),
    ...section(
      "not seen",
      unseen.map((one) => [one]),
    ),
    "",
    answer,
  ];
}

function entryLines(entry: EntryReport): readonly string[] {
  const { namespace, name, owner, service, virtualIp, port, protocol, l7, exportTo, emptySince } = entry;
  const ours = [
    ["service", service],
    ["virtual IP", virtualIp === "" ? "none" : `${virtualIp}:${port}`],
    ["protocol", `${protocol}${protocol === "dubbo" && !l7 ? ", as plain TCP (l7: false)" : ""}`],
    ["seen by", exportTo.length === 0 ? "all namespaces" : exportTo.join(", ")],
    ...(emptySince === "" ? [] : [["empty since", emptySince]]),
  ];
  return section("entry", [
    ["ServiceEntry", `${namespace}/${name}`],
    ["made by", owner],
    ...(service === "" ? [] : ours),
  ]);
}

/** What a registry lists, and why an entry may not have it. */
function registryRows(said: RegistrySays, isWide: boolean): readonly (readonly string[])[] {
  const { hub, unread, isUnknown, isExcluded, instances } = said;
  if (unread !== "") return [[hub, `not read: ${unread}`]];
  if (isExcluded) return [[hub, saidInWords(said)]];
  const rows = shown(instances, isWide).map(({ address, leftOut }) => [hub, address, leftOut || "listed"]);
  return [
    ...(rows.length > 0 ? rows : [[hub, "lists no instance of it"]]),
    ...moreThan(instances, isWide).map((more) => [hub, more]),
    ...(isUnknown ? [[hub, "not all of it can be read"]] : []),
  ];
}

function endpointRow({ address, state, by, weight, zone, mtls }: EndpointReport): readonly string[] {
  const vouchers = by.length === 0 ? "adopted" : by.join(", ");
  return [address, vouchers, state, `weight ${weight}`, mtls ? "mTLS" : "plain", zone];
}

/** A title with rows below; without rows, `none` beside it, or nothing. */
function section(
  title: string,
  rows: readonly (readonly string[])[],
  none?: string,
  more: readonly string[] = [],
): readonly string[] {
  if (rows.length === 0) return none === undefined ? [] : [field(title, none)];
  return [`  ${title}`, ...[...table(rows), ...more].map((line) => `    ${line}`)];
}

const shown = <T>(all: readonly T[], isWide: boolean): readonly T[] =>
  isWide ? all : all.slice(0, shownAtMost);

function moreThan(all: readonly unknown[], isWide: boolean): readonly string[] {
  const more = all.length - shown(all, isWide).length;
  return more > 0 ? [`and ${more} more: -o wide`] : [];
}
