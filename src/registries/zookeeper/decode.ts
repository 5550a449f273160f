import type { Problem } from "../../model/problems.ts";
import type { Service, ServiceInstance } from "../../model/service.ts";
import { type Provider, readProvider } from "../dubbo/provider.ts";
import { decodeSegment, parseProviderUrl } from "../dubbo/provider-url.ts";

/**
 * One interface from the names of the nodes below its `providers` directory, in any order. The same provider
 * announced twice counts once; a name that is no provider URL is a problem and costs nobody else anything.
 */
export function decodeService(name: string, nodes: readonly string[]): Service {
  const providers = nodes.toSorted().map((node) => decodeProvider(name, node));
  const instances = providers.flatMap(({ instance }) => instance ?? []);
  const problems = providers.flatMap(({ problem }) => problem ?? []);
  return {
    id: name,
    kind: "dubbo",
    name,
    instances: distinct(instances, instanceKey).toSorted(byAddress),
    problems: distinct(problems, problemKey),
  };
}

/** An interface that exists and that the registry does not let us read. */
export function unreadableService(name: string, path: string): Service {
  const detail = `no right to list ${path}: what the cluster has of it stays. Grant READ to the hub's user`;
  const problem: Problem = { at: name, code: "Unreadable", detail, severity: "warning" };
  return { id: name, kind: "dubbo", name, instances: "unknown", problems: [problem] };
}

function decodeProvider(name: string, node: string): Provider {
  const text = decodeSegment(node);
  const url = text === undefined ? undefined : parseProviderUrl(text);
  if (url !== undefined) return readProvider(url, name);
  const detail =
    text === undefined ? "the node's name has a malformed % escape" : "the node's name is not a URL";
  return { problem: { at: `${name} ${harmless(node)}`, code: "BadUrl", detail, severity: "rejected" } };
}

/**
 * The start of a node's name, without anything that may be a query (a token) or a user's password, however
 * often encoded.
 */
function harmless(node: string): string {
  const withoutQuery = node.split(/[?&=]|%(?:25)*(?:3f|26|3d)/i)[0] ?? "";
  return (withoutQuery.split(/@|%(?:25)*40/).at(-1) ?? "").slice(0, 80);
}

function distinct<T>(items: readonly T[], keyOf: (item: T) => string): T[] {
  const byKey = new Map<string, T>();
  for (const item of items) if (!byKey.has(keyOf(item))) byKey.set(keyOf(item), item);
  return [...byKey.values()];
}

/**
 * One process may offer several versions and groups of an interface on one port: they are different services.
 */
const instanceKey = ({ address, port, protocol, version, group }: ServiceInstance): string =>
  JSON.stringify([address, port, protocol, version, group]);

const problemKey = ({ at, code }: Problem): string => JSON.stringify([at, code]);

function byAddress(a: ServiceInstance, b: ServiceInstance): number {
  if (a.address !== b.address) return a.address < b.address ? -1 : 1;
  return a.port - b.port || (instanceKey(a) < instanceKey(b) ? -1 : 1);
}
