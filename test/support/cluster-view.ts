import { readFile } from "node:fs/promises";
import { Agent, fetch } from "undici";
import type { EnvoyFilter, ServiceEntry } from "../../src/model/istio.ts";
import type { RegistryHub } from "../../src/model/registryhub.ts";
import type { ApiServer } from "../bed/api-server.ts";

/** Reads a cluster as its administrator, without the cost of a kubectl for each look. Disposal closes its connections. */
export interface ClusterView extends AsyncDisposable {
  /** @throws Error with the server's answer when it is not 200. */
  get<T>(path: string): Promise<T>;
  /** @throws Error when there is none. */
  hub(namespace: string, name: string): Promise<RegistryHub>;
  /** Of one namespace, by name. */
  serviceEntries(namespace: string): Promise<readonly ServiceEntry[]>;
  /** Of one namespace, by name. */
  envoyFilters(namespace: string): Promise<readonly EnvoyFilter[]>;
}

interface List<T> {
  readonly items: readonly T[];
}

const hubPath = (namespace: string, name: string) =>
  `/apis/ecns.easystack.cn/v1alpha1/namespaces/${namespace}/registryhubs/${name}`;
const serviceEntriesPath = (namespace: string) =>
  `/apis/networking.istio.io/v1beta1/namespaces/${namespace}/serviceentries`;
const envoyFiltersPath = (namespace: string) =>
  `/apis/networking.istio.io/v1alpha3/namespaces/${namespace}/envoyfilters`;

/** Connects when first asked. */
export async function viewCluster(api: ApiServer): Promise<ClusterView> {
  const agent = new Agent({ connect: { ca: await readFile(api.caFile, "utf8") } });
  const get = async <T>(path: string) => {
    const headers = { authorization: `Bearer ${api.adminToken}` };
    const response = await fetch(api.url + path, { headers, dispatcher: agent });
    if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  };
  return {
    get,
    hub: (namespace, name) => get(hubPath(namespace, name)),
    serviceEntries: async (namespace) => (await get<List<ServiceEntry>>(serviceEntriesPath(namespace))).items,
    envoyFilters: async (namespace) => (await get<List<EnvoyFilter>>(envoyFiltersPath(namespace))).items,
    [Symbol.asyncDispose]: () => agent.destroy(),
  };
}
