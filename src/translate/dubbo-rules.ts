import { fieldsOf, isFields, listOf, textOf } from "./read-back/json.ts";
import { regexProblem } from "./regex.ts";

/** What calls go where: one match of a VirtualService. */
export interface DubboRule {
  /** A RouteMatch of Envoy's dubbo_proxy. */
  readonly match: unknown;
  /** Each subset once, with a weight above 0. */
  readonly to: readonly Destination[];
}

export interface Destination {
  /** undefined = all endpoints. */
  readonly subset: string | undefined;
  readonly weight: number;
}

/** Why a VirtualService is refused. */
export const refusalReasons = [
  /** It is for more than the one host, or the host is no full name. */
  "UnsupportedHost",
  /** A field that dubbo_proxy has nothing for. */
  "UnsupportedField",
  "InvalidValue",
  "TooLarge",
  /** An older one has the host. */
  "NotAlone",
  /** No DestinationRule that counts has the subset. */
  "SubsetMissing",
  /** Another DestinationRule of the host, which is in force for some consumers, lacks the subset. */
  "SubsetShadowed",
] as const;

export interface Refusal {
  readonly reason: (typeof refusalReasons)[number];
  /** Of the VirtualService, as "spec.http[0].match[1].uri". */
  readonly field: string;
  /** The rest of the sentence. */
  readonly detail: string;
}

/** What a VirtualService asks for, in words of its own, or why it gets nothing. */
export type RulesVerdict = { readonly rules: readonly DubboRule[] } | { readonly refusal: Refusal };

/** The service that rules are for. */
export interface RuleTarget {
  readonly host: string;
  /** undefined = any. */
  readonly port: number | undefined;
}

/** A match for every call. Without a method Envoy refuses the listener. */
export const anyCall = { method: { name: { safe_regex: { regex: ".*" } } } };

const maxBytes = 65_536;
/** Matches times destinations, each of which names a cluster twice in the filter: an object of etcd has 1.5 MB. */
const maxClusters = 1_000;
/** Each is compiled here. */
const maxRegexes = 50;
const maxWeights = 2 ** 32 - 1;

/** Reads a whole VirtualService, total for any content. It is refused as a whole where a part of it cannot be expressed. */
export function rulesOf(spec: unknown, target: RuleTarget): RulesVerdict {
  return verdictOf(() => {
    const { hosts, gateways, exportTo, http } = fieldsOf(spec);
    onlyFields(spec, ["hosts", "gateways", "exportTo", "http"], "spec");
    const [host, ...others] = listOf(hosts);
    if (others.length > 0 || !isHost(host, target)) throw new Refused(wrongHosts);
    if (listOf(gateways).some((one) => one !== "mesh"))
      refuse("UnsupportedField", "spec.gateways", "must be absent, or mesh alone");
    if (listOf(exportTo).some((one) => one !== "*"))
      refuse("UnsupportedField", "spec.exportTo", "must be absent, or *");
    return readHttp(http, target);
  });
}

/** Reads the part of it that is kept of what was in force. A port in it was the service's then, and means the one of now. */
export function rulesOfHttp(http: unknown, { host }: Pick<RuleTarget, "host">): RulesVerdict {
  return verdictOf(() => readHttp(http, { host, port: undefined }));
}

/** The subsets that the rules name. */
export function subsetsIn(rules: readonly DubboRule[]): ReadonlySet<string> {
  return new Set(rules.flatMap(({ to }) => to.flatMap(({ subset }) => subset ?? [])));
}

/** Where the first destination with the subset is, as in Refusal.field. */
export function fieldOfSubset(http: unknown, subset: string): string {
  for (const [at, one] of listOf(http).entries())
    for (const [number, { destination }] of listOf(fieldsOf(one).route).map(fieldsOf).entries())
      if (fieldsOf(destination).subset === subset)
        return `spec.http[${at}].route[${number}].destination.subset`;
  return "spec.http";
}

/** The same with all endpoints in the place of subsets that are not there. */
export function withSubsets(
  rules: readonly DubboRule[],
  isThere: (subset: string) => boolean,
): readonly DubboRule[] {
  return relevant(
    rules.map(({ match, to }) => ({
      match,
      to: merged(
        to.map(({ subset, weight }) => ({
          subset: subset !== undefined && isThere(subset) ? subset : undefined,
          weight,
        })),
      ),
    })),
  );
}

/** Without what comes to nothing: rules after one for every call, and last ones that say what holds without them. */
function relevant(rules: readonly DubboRule[]): readonly DubboRule[] {
  const end = rules.findIndex(({ match }) => match === anyCall) + 1 || rules.length;
  const last = rules.slice(0, end).findLastIndex(({ to }) => to.some(({ subset }) => subset !== undefined));
  return rules.slice(0, last + 1);
}

/** The same for each of several hosts, so that it is told once. */
export const wrongHosts: Refusal = {
  reason: "UnsupportedHost",
  field: "spec.hosts",
  detail: "must be one host alone, by its full name",
};

class Refused extends Error {
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(refusal.detail);
    this.refusal = refusal;
  }
}

function refuse(reason: Refusal["reason"], field: string, detail: string): never {
  throw new Refused({ reason, field, detail });
}

function verdictOf(read: () => readonly DubboRule[]): RulesVerdict {
  try {
    return { rules: read() };
  } catch (error) {
    if (error instanceof Refused) return { refusal: error.refusal };
    throw error;
  }
}

function readHttp(http: unknown, target: RuleTarget): readonly DubboRule[] {
  const text = JSON.stringify(http ?? []);
  if (Buffer.byteLength(text) > maxBytes) refuse("TooLarge", "spec.http", `has more than ${maxBytes} bytes`);
  if (text.split('"regex":').length - 1 > maxRegexes)
    refuse("TooLarge", "spec.http", `has more than ${maxRegexes} regular expressions`);
  const routes = elements(http, "spec.http");
  const clusters = routes.map((one) => {
    const { match, route } = fieldsOf(one);
    return Math.max(1, listOf(match).length) * listOf(route).length;
  });
  if (clusters.reduce((sum, count) => sum + count, 0) > maxClusters)
    refuse("TooLarge", "spec.http", `has more than ${maxClusters} destinations, each counted once per match`);
  return relevant(routes.flatMap((one, at) => readRoute(one, `spec.http[${at}]`, target)));
}

function readRoute(route: unknown, at: string, target: RuleTarget): readonly DubboRule[] {
  onlyFields(route, ["name", "match", "route"], at);
  const { match, route: destinations } = fieldsOf(route);
  const to = readDestinations(destinations, `${at}.route`, target);
  const matches = elements(match, `${at}.match`).map((one, number) =>
    readMatch(one, `${at}.match[${number}]`),
  );
  return (matches.length > 0 ? matches : [anyCall]).map((one) => ({ match: one, to }));
}

function readMatch(match: unknown, at: string): unknown {
  onlyFields(match, ["name", "method", "headers"], at);
  const { method, headers } = fieldsOf(match);
  if (headers !== undefined && !isFields(headers))
    refuse("InvalidValue", `${at}.headers`, "must be an object");
  const wanted = Object.entries(fieldsOf(headers))
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, value]) => readHeader(name, value, `${at}.headers[${name}]`));
  if (method === undefined && wanted.length === 0) return anyCall;
  return {
    method: method === undefined ? anyCall.method : { name: readText(method, `${at}.method`) },
    ...(wanted.length > 0 && { headers: wanted }),
  };
}

/** An attachment of the call; an empty matcher asks whether it is there. Source: istio.io/api networking/v1alpha3. */
function readHeader(name: string, value: unknown, at: string): unknown {
  if (!/^[^\p{C}]+$/u.test(name)) refuse("InvalidValue", at, "must have a name without control characters");
  if (isFields(value) && Object.keys(value).length === 0) return { name, present_match: true };
  return { name, string_match: readText(value, at) };
}

function readText(matcher: unknown, at: string): unknown {
  onlyFields(matcher, ["exact", "prefix", "regex"], at);
  const [[kind, value] = ["", undefined], ...others] = Object.entries(fieldsOf(matcher));
  const text = textOf(value);
  if (text === undefined || others.length > 0)
    return refuse("InvalidValue", at, "must have exactly one of exact, prefix and regex, a text");
  if (!text.isWellFormed()) refuse("InvalidValue", `${at}.${kind}`, "must be Unicode");
  if (kind === "exact") return { exact: text };
  if (kind === "prefix")
    return text === "" ? refuse("InvalidValue", `${at}.prefix`, "must not be empty") : { prefix: text };
  const problem = regexProblem(text);
  return problem ? refuse("InvalidValue", `${at}.regex`, problem) : { safe_regex: { regex: text } };
}

function readDestinations(value: unknown, at: string, target: RuleTarget): readonly Destination[] {
  const all = elements(value, at).map((one, number) => readDestination(one, `${at}[${number}]`, target));
  const [first] = all;
  if (first === undefined) return refuse("InvalidValue", at, "must have a destination");
  // Istio: the weight of the only one does not count.
  if (all.length === 1) return [{ ...first, weight: 1 }];
  const sum = all.reduce((total, { weight }) => total + weight, 0);
  if (sum === 0 || sum > maxWeights)
    refuse("InvalidValue", at, `must have weights whose sum is 1 to ${maxWeights}`);
  return merged(all);
}

function readDestination(value: unknown, at: string, target: RuleTarget): Destination {
  onlyFields(value, ["destination", "weight"], at);
  const { destination, weight = 0 } = fieldsOf(value);
  onlyFields(destination, ["host", "subset", "port"], `${at}.destination`);
  const { host, subset = "", port } = fieldsOf(destination);
  if (!isHost(host, target)) refuse("UnsupportedHost", `${at}.destination.host`, `must be ${target.host}`);
  if (port !== undefined && target.port !== undefined && fieldsOf(port).number !== target.port)
    refuse("UnsupportedField", `${at}.destination.port`, `must be absent, or number: ${target.port}`);
  if (textOf(subset) === undefined) refuse("InvalidValue", `${at}.destination.subset`, "must be a text");
  if (typeof weight !== "number" || !Number.isInteger(weight) || weight < 0)
    return refuse("InvalidValue", `${at}.weight`, "must be a whole number, 0 or more");
  return { subset: textOf(subset) || undefined, weight };
}

/** Each destination once, without those that get nothing. */
function merged(destinations: readonly Destination[]): readonly Destination[] {
  const weights = new Map<string | undefined, number>();
  for (const { subset, weight } of destinations) weights.set(subset, (weights.get(subset) ?? 0) + weight);
  return [...weights].flatMap(([subset, weight]) => (weight > 0 ? [{ subset, weight }] : []));
}

const isHost = (value: unknown, { host }: RuleTarget): boolean => textOf(value)?.toLowerCase() === host;

function elements(value: unknown, at: string): readonly unknown[] {
  if (value !== undefined && !Array.isArray(value)) refuse("InvalidValue", at, "must be a list");
  return listOf(value);
}

function onlyFields(value: unknown, known: readonly string[], at: string): void {
  if (!isFields(value)) refuse("InvalidValue", at, "must be an object");
  for (const name of Object.keys(fieldsOf(value)))
    if (!known.includes(name))
      refuse("UnsupportedField", `${at}.${name}`, "is nothing that rules for Dubbo can express");
}
