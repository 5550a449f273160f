import * as z from "zod";
import { type Service, unknownService } from "../../model/service.ts";
import { type ApplicationInstance, readApplicationInstance } from "../dubbo/application-instance.ts";
import { type Provider, readProvider } from "../dubbo/provider.ts";
import { serviceOf } from "../dubbo/provider-service.ts";
import { decodeSegment, parseProviderUrl } from "../dubbo/provider-url.ts";
import { addressKey } from "../dubbo/registered-addresses.ts";
import { readJson, stringMap } from "../json.ts";

/**
 * One interface from the names of the nodes below its `providers` directory, in any order. The same provider
 * announced twice counts once; a name that is no provider URL is a problem and costs nobody else anything.
 */
export function decodeService(name: string, nodes: readonly string[]): Service {
  return serviceOf(
    name,
    nodes.toSorted().map((node) => decodeProvider(name, node)),
  );
}

/**
 * Where these nodes say that a provider is, be it one that takes no traffic or that nobody can call; once each, as
 * `addressKey` spells it.
 */
export function decodeAddresses(nodes: readonly string[]): readonly string[] {
  const urls = nodes.flatMap((node) => parseProviderUrl(decodeSegment(node) ?? "") ?? []);
  return [...new Set(urls.map(({ host, port }) => addressKey(host, port)))];
}

const instanceForm = z.object({
  address: z.string().min(1),
  port: z.number().int().nullish(),
  payload: z.object({ metadata: stringMap }),
});

/**
 * What a node below `/services/<application>` holds, as Curator's service discovery writes it. undefined = it is not one
 * of Dubbo's: Spring Cloud keeps its instances there as well. dubbo-go leaves out what is empty.
 * Source: apache/dubbo, CuratorFrameworkUtils; apache/dubbo-go, remoting/zookeeper/curator_discovery.
 */
export function decodeInstance(application: string, data: string): ApplicationInstance | undefined {
  const node = readJson(instanceForm, data);
  return node && readApplicationInstance(application, node.address, node.port ?? 0, node.payload.metadata);
}

/** The applications that a node below `<root>/mapping` names. */
export function decodeMapping(data: string): readonly string[] {
  const names = data.split(",").map((name) => name.trim());
  return [...new Set(names)].filter(isSegment).toSorted();
}

/** Whether a text that somebody registered can be one segment of a path. */
export function isSegment(text: string): boolean {
  return /^[^/\0]+$/.test(text) && text !== "." && text !== "..";
}

/** An interface that exists and that the registry does not let us read. */
export function unreadableService(name: string, path: string): Service {
  const detail = `no right to list ${path}: what the cluster has of it stays. Grant READ to the hub's user`;
  return unknownService({ id: name, kind: "dubbo", name }, detail);
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
