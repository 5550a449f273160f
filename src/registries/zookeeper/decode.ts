import * as z from "zod";
import { type Service, unknownService } from "../../model/service.ts";
import { readJson, stringMap } from "../../runtime/json.ts";
import { type ApplicationInstance, readApplicationInstance } from "../kinds/dubbo/application-instance.ts";
import { type Provider, readProvider } from "../kinds/dubbo/provider.ts";
import { serviceOf } from "../kinds/dubbo/provider-service.ts";
import { decodeSegment, parseProviderUrl } from "../kinds/dubbo/provider-url.ts";
import { addressKey, withoutBrackets } from "../kinds/dubbo/registered-addresses.ts";

/**
 * Decodes one interface from the node names below its `providers` directory, in any order. A provider that is
 * announced twice counts once. A name that is not a provider URL is a problem and affects no other.
 */
export function decodeService(name: string, nodes: readonly string[], keys: readonly string[] = []): Service {
  return serviceOf(
    name,
    nodes.toSorted().map((node) => decodeProvider(name, node, keys)),
  );
}

/**
 * The addresses of the providers in these nodes, each once, as `addressKey` spells them. Providers that take no
 * traffic, or that nobody can call, are included.
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
 * Reads a node below `/services/<application>`, as Curator's service discovery writes it. undefined = it is not one
 * of Dubbo's, because Spring Cloud also keeps its instances there. dubbo-go omits empty fields.
 * Source: apache/dubbo, CuratorFrameworkUtils; apache/dubbo-go, remoting/zookeeper/curator_discovery.
 */
export function decodeInstance(
  application: string,
  data: string,
  keys: readonly string[] = [],
): ApplicationInstance | undefined {
  const node = readJson(instanceForm, data);
  if (node === undefined) return undefined;
  return readApplicationInstance(application, node.address, node.port ?? 0, node.payload.metadata, 1, keys);
}

/**
 * The address in the name of an application's instance, as `addressKey` spells it. undefined = it is not the name of
 * one: Dubbo names them `host:port`, Spring Cloud by UUID.
 */
export function decodeNodeAddress(node: string): string | undefined {
  const [, host, port] = /^(.+):(\d+)$/.exec(node) ?? [];
  return host === undefined || port === undefined ? undefined : addressKey(withoutBrackets(host), port);
}

/** The applications that a node below `<root>/mapping` names. */
export function decodeMapping(data: string): readonly string[] {
  const names = data.split(",").map((name) => name.trim());
  return [...new Set(names)].filter(isSegment).toSorted();
}

/** Whether a registered text can be one segment of a path. */
export function isSegment(text: string): boolean {
  return /^[^/\0]+$/.test(text) && text !== "." && text !== "..";
}

/** An interface that exists, but that the hub's user may not read. */
export function unreadableService(name: string, path: string): Service {
  const detail = `the hub's user may not list ${path}, so the operator keeps what the cluster has; grant READ to the hub's user`;
  return unknownService({ id: name, kind: "dubbo", name }, detail);
}

function decodeProvider(name: string, node: string, keys: readonly string[]): Provider {
  const text = decodeSegment(node);
  const url = text === undefined ? undefined : parseProviderUrl(text);
  if (url !== undefined) return readProvider(url, name, keys);
  const detail =
    text === undefined ? "the node's name has a malformed % escape" : "the node's name is not a URL";
  return { problem: { at: `${name} ${harmless(node)}`, code: "BadUrl", detail, severity: "rejected" } };
}

/**
 * The start of a node's name, without anything that may be a query (a token) or a user's password, however often it
 * is encoded.
 */
function harmless(node: string): string {
  const withoutQuery = node.split(/[?&=]|%(?:25)*(?:3f|26|3d)/i)[0] ?? "";
  return (withoutQuery.split(/@|%(?:25)*40/).at(-1) ?? "").slice(0, 80);
}
