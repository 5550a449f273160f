import type { Ms } from "../../model/entry.ts";
import { ageOf, counted, field, table } from "../output.ts";
import {
  endOfHold,
  type HeldReport,
  type HubReport,
  heldWhat,
  hubKeyOf,
  isFine,
  type ProblemReport,
} from "./hub-report.ts";

/** One screen for a hub: first what is wrong, why and what to do; then what else there is to know. */
export function hubLines(report: HubReport, now: Ms): readonly string[] {
  const { type, address, target, policy, plan, problems } = report;
  const ofMesh = problems.filter(({ isOfMesh }) => isOfMesh);
  const ofRegistry = problems.filter(({ isOfMesh }) => !isOfMesh);
  return [
    ...headLines(report, now),
    "",
    field("registry", `${type} at ${address}`),
    field("writes to", `namespace ${target}, policy ${policy}`),
    field("services", countsOf(report)),
    ...(plan
      ? [field("would", `create ${plan.create}, change ${plan.change}, remove ${plan.remove} ServiceEntries`)]
      : []),
    field("last write", report.lastWrite === "" ? "none" : timeAndAge(report.lastWrite, now)),
    field("held", report.held ? heldText(report.held, report.trouble === undefined) : "nothing"),
    ...problemLines("problems", ofRegistry),
    ...problemLines("mesh", ofMesh),
  ];
}

/** At most three lines: what is the matter, the cause and the fix. */
export function headLines(report: HubReport, now: Ms): readonly string[] {
  const { trouble, held, since } = report;
  const hub = `RegistryHub ${hubKeyOf(report)}`;
  const first = `${hub} ${stateOf(report)}${since === "" ? "" : `, for ${ageOf(since, now)}`}`;
  if (trouble) return [first, `cause: ${trouble.cause}`, `fix:   ${trouble.fix}`];
  if (held === undefined) return [first];
  return [`${first}; removals are held: ${held.reason}`, `cause: ${held.meaning}`, `fix:   ${endOf(held)}`];
}

/** The hubs in a table, and which of them somebody has to look at. */
export function tableLines(
  reports: readonly HubReport[],
  now: Ms,
  { isWide, withNamespaces }: { readonly isWide: boolean; readonly withNamespaces: boolean },
): readonly string[] {
  const columns: Readonly<Record<string, (one: HubReport) => string>> = {
    ...(withNamespaces && { NAMESPACE: ({ namespace }) => namespace }),
    NAME: ({ name }) => name,
    TYPE: ({ type }) => type,
    TARGET: ({ target }) => target,
    PHASE: ({ phase }) => phase,
    REASON: ({ reason }) => reason || "-",
    SERVICES: ({ services }) => String(services),
    ENDPOINTS: ({ endpoints }) => String(endpoints),
    HELD: ({ held }) => (held ? `${held.services} (${held.reason})` : "-"),
    PROBLEMS: ({ problems, rejected }) => String(Math.max(problems.length, rejected)),
    "LAST WRITE": ({ lastWrite }) => (lastWrite === "" ? "-" : ageOf(lastWrite, now)),
    ...(isWide && {
      AGE: ({ createdAt }) => ageOf(createdAt, now),
      POLICY: ({ policy }) => policy,
      ADDRESS: ({ address }) => address,
      CAUSE: ({ trouble, held }) => trouble?.cause ?? held?.meaning ?? "-",
    }),
  };
  const rows = reports.map((one) => Object.values(columns).map((cell) => cell(one)));
  const [first, ...more] = reports.filter((one) => !isFine(one));
  const hint =
    first === undefined
      ? []
      : [
          "",
          `${more.length + 1} of ${counted(reports.length, "hub")} need a look: registryhub status -n ${first.namespace} ${first.name}`,
        ];
  return [...table([Object.keys(columns), ...rows]), ...hint];
}

function stateOf({ ready, reason, trouble }: HubReport): string {
  if (reason === "") return "has no status";
  if (ready !== "True") return `is not Ready: ${reason}`;
  return trouble ? `was ${reason} before its last edit` : `is ${reason}`;
}

/** How a hold ends. */
function endOf(held: HeldReport): string {
  const { release, until, isReleased } = held;
  if (release !== "") return endOfHold(held);
  return isReleased
    ? "nothing; somebody has released it, and the operator lets go within seconds"
    : `nothing; it ends by itself at ${until}`;
}

/** How to end it is said at the top, unless something worse is. */
function heldText(held: HeldReport, isAtTop: boolean): string {
  const text = `${heldWhat(held)} (${held.reason}), since ${held.since}, until ${held.until} at the latest`;
  return isAtTop ? text : `${text}; to end it: ${endOf(held)}`;
}

function countsOf({ services, endpoints, rejected, excluded }: HubReport): string {
  const more = [
    ...(rejected > 0 ? [`${rejected} rejected`] : []),
    ...(excluded > 0 ? [`${excluded} left out by spec.instances`] : []),
  ];
  return [`${services} in the cluster, with ${counted(endpoints, "endpoint")}`, ...more].join("; ");
}

function problemLines(title: string, problems: readonly ProblemReport[]): readonly string[] {
  if (problems.length === 0) return [field(title, "none")];
  return [
    field(title, String(problems.length)),
    ...problems.flatMap(({ at, code, detail, severity }) => [
      `    ${severity} ${at}`,
      `      ${code}: ${detail}`,
    ]),
  ];
}

const timeAndAge = (time: string, now: Ms): string => `${time}, ${ageOf(time, now)} ago`;
