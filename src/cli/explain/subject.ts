import { isIP } from "node:net";
import type { HostObject } from "../../controllers/writes/entry-index.ts";
import type { HostKey } from "../../model/entry.ts";
import type { ServiceEntry } from "../../model/istio.ts";
import { splitKey } from "../../model/keys.ts";
import type { Stored } from "../../model/kubernetes.ts";
import { entryOf, ownershipOf } from "../../translate/read-back/service-entry.ts";
import type { Asked, KnownHub } from "./asked.ts";
import { namesIn } from "./host-report.ts";
import type { Objects } from "./objects.ts";

/** What a person asks about, as the cluster knows it. */
export type Subject =
  | { readonly kind: "hub"; readonly hub: KnownHub }
  | { readonly kind: "host"; readonly host: HostKey; readonly found: HostObject }
  /** Several hosts have the name. */
  | { readonly kind: "hosts"; readonly hosts: readonly HostKey[] }
  | { readonly kind: "address"; readonly ip: string; readonly port: number | undefined }
  | { readonly kind: "missing"; readonly asked: Asked };

/**
 * A virtual IP stands for its host. A hub comes before a service of the same name. @param namespace where hubs are looked for,
 * and hosts first.
 */
export function subjectOf(
  text: string,
  namespace: string,
  objects: Objects,
  hubs: readonly KnownHub[],
): Subject {
  const address = addressIn(text);
  if (address) {
    const holders = [...objects.entries.othersAt(address.ip)];
    const ours = holders.find((key) => isOurs(objects.serviceEntries.get(key)));
    const host = objects.entries.hostsAt(ours ?? holders[0] ?? "")[0];
    return hostSubject(host, objects) ?? { kind: "address", ...address };
  }
  const hub = hubs.find(({ key }) => key === text || key === `${namespace}/${text}`);
  if (hub) return { kind: "hub", hub };
  const name = text.toLowerCase().replace(/:\d+$/, "");
  const all = hostsNamed(name, objects);
  const own = all.filter((host) => host.startsWith(`${namespace}/`));
  const hosts = own.length > 0 ? own : all;
  if (hosts.length > 1) return { kind: "hosts", hosts };
  const missing = { kind: "missing", asked: missingAsked(text.replace(/:\d+$/, ""), hubs) } as const;
  return hostSubject(hosts[0], objects) ?? missing;
}

function hostSubject(host: HostKey | undefined, { entries }: Objects): Subject | undefined {
  const found = host === undefined ? undefined : entries.hostObject(host);
  return host === undefined || found === undefined ? undefined : { kind: "host", host, found };
}

const isOurs = (object: Stored<ServiceEntry> | undefined): boolean =>
  object !== undefined && ownershipOf(object) === "ours";

function addressIn(text: string): { readonly ip: string; readonly port: number | undefined } | undefined {
  if (isIP(text) !== 0) return { ip: text, port: undefined };
  const [, six, four = "", port] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const ip = six ?? four;
  return isIP(ip) === 0 ? undefined : { ip, port: port === undefined ? undefined : Number(port) };
}

/** By host, by the key of its ServiceEntry, or by the name of its service; sorted. */
function hostsNamed(name: string, { entries, serviceEntries }: Objects): readonly HostKey[] {
  const ofObject = entries.hostsAt(name);
  if (ofObject.length > 0) return ofObject.slice(0, 1);
  const all = [...entries.hosts()];
  const exact = all.filter((host) => host === name || splitKey(host)[1] === name);
  const inItsNamespace = exact.filter((host) => host.endsWith(`.${splitKey(host)[0]}`));
  if (exact.length > 0) return inItsNamespace.length > 0 ? inItsNamespace : exact.sort(); // others are shown beside it
  const ofService = [...serviceEntries.values()].flatMap((object) => {
    const { host, shape } = entryOf(object) ?? {};
    const { name: service = "", serviceKey = "" } = shape?.service ?? {};
    return host !== undefined && [service, serviceKey].some((one) => one.toLowerCase() === name)
      ? [host]
      : [];
  });
  return [...new Set(ofService)].sort();
}

/** A name that ends with the target of a hub is a host; any other one may be a service of each hub. */
function missingAsked(text: string, hubs: readonly KnownHub[]): Asked {
  const name = text.toLowerCase();
  const namespace = name.slice(name.lastIndexOf(".") + 1);
  const isHost = name.includes(".") && hubs.some(({ report }) => report.target === namespace);
  return isHost
    ? { host: name, namespace, names: namesIn(name, namespace) }
    : { host: "", namespace: "", names: [text] };
}
