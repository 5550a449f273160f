import { readFile } from "node:fs/promises";
import { Agent, fetch } from "undici";
import type { RegistryHub } from "../../src/model/hub.ts";
import type { EnvoyFilter, ServiceEntry } from "../../src/model/istio.ts";
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
  /** Every change of a namespace's ServiceEntries from now on, until disposal. */
  recordServiceEntries(namespace: string): Promise<Recording>;
}

/** One event of a watch. */
export interface Change {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly object: ServiceEntry;
}

/** Disposal ends the watch and returns when it has ended. */
export interface Recording extends AsyncDisposable {
  /** In order. @throws Error when the watch broke: then something may be missing. */
  changes(): readonly Change[];
}

interface List<T> {
  readonly metadata: { readonly resourceVersion: string };
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
  // bodyTimeout 0: a watch may be silent for long.
  const agent = new Agent({ connect: { ca: await readFile(api.caFile, "utf8") }, bodyTimeout: 0 });
  const request = async (path: string, signal?: AbortSignal) => {
    const headers = { authorization: `Bearer ${api.adminToken}` };
    const response = await fetch(api.url + path, { headers, dispatcher: agent, signal: signal ?? null });
    if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`);
    return response;
  };
  const get = async <T>(path: string) => (await (await request(path)).json()) as T;
  return {
    get,
    hub: (namespace, name) => get(hubPath(namespace, name)),
    serviceEntries: async (namespace) => (await get<List<ServiceEntry>>(serviceEntriesPath(namespace))).items,
    envoyFilters: async (namespace) => (await get<List<EnvoyFilter>>(envoyFiltersPath(namespace))).items,
    async recordServiceEntries(namespace) {
      const path = serviceEntriesPath(namespace);
      const { metadata } = await get<List<ServiceEntry>>(`${path}?limit=1`);
      const stopping = new AbortController();
      const query = `watch=1&resourceVersion=${metadata.resourceVersion}&timeoutSeconds=3600`;
      const { body } = await request(`${path}?${query}`, stopping.signal);
      return record(body as AsyncIterable<Uint8Array>, stopping);
    },
    [Symbol.asyncDispose]: () => agent.destroy(),
  };
}

function record(body: AsyncIterable<Uint8Array>, stopping: AbortController): Recording {
  const changes: Change[] = [];
  let broken: Error | undefined;
  const reading = readLines(body, (line) => changes.push(JSON.parse(line) as Change)).then(
    () => (broken = new Error("the API server ended the watch")),
    (cause: unknown) => {
      if (!stopping.signal.aborted) broken = new Error("the watch broke", { cause });
    },
  );
  return {
    changes() {
      if (broken) throw broken;
      return changes;
    },
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await reading;
    },
  };
}

async function readLines(body: AsyncIterable<Uint8Array>, take: (line: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of body) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) take(line);
  }
}
