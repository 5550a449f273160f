import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished } from "vitest";
import { createClient, type KubeClient } from "../../src/kube/client.ts";
import { KubeError } from "../../src/kube/errors.ts";
import type { KubeconfigPlaces } from "../../src/kube/kubeconfig.ts";
import type { ListWatchOptions } from "../../src/kube/list-watch.ts";
import { createReflector, type Reflector } from "../../src/kube/reflector.ts";
import { collectionPath, objectPath, type Resource, resources } from "../../src/kube/resources.ts";
import type { ServiceEntry } from "../../src/model/istio.ts";
import type { KubeObject } from "../../src/model/kubernetes.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import type { Deps, Fields, Logger } from "../../src/runtime/deps.ts";
import { temporaryFolder } from "../bed/watchdog.ts";
import { eventually } from "../support/eventually.ts";
import type { TestServer } from "./server.ts";

/** What a test works with; ended, every connection closed, when the test is. */
export interface Bench {
  readonly client: KubeClient;
  readonly deps: Deps;
  readonly signal: AbortSignal;
  /** What has to have ended, after the signal, before the test may be over. */
  readonly running: Promise<void>[];
  /** Every line logged so far. */
  readonly log: readonly { readonly message: string; readonly fields: Fields }[];
}

export function openBench(kubeconfig: string | KubeconfigPlaces, concurrency = 16): Bench {
  const controller = new AbortController();
  const log: { message: string; fields: Fields }[] = [];
  const deps = { clock: systemClock, random: Math.random, logger: loggerInto(log) };
  const places = typeof kubeconfig === "string" ? { kubeconfig } : kubeconfig;
  const client = createClient({ ...places, userAgent: "registryhub-test", concurrency }, deps);
  const running: Promise<void>[] = [];
  onTestFinished(async () => {
    controller.abort(new Error("the test is over"));
    await Promise.all(running);
    await client.close();
  });
  return { client, deps, signal: controller.signal, running, log };
}

function loggerInto(log: { message: string; fields: Fields }[], bound: Fields = {}): Logger {
  const write = (message: string, fields: Fields = {}): void =>
    void log.push({ message, fields: { ...bound, ...fields } });
  return {
    debug: write,
    info: write,
    warn: write,
    error: write,
    child: (fields) => loggerInto(log, { ...bound, ...fields }),
  };
}

/** A reflector that runs until the test ends. */
export function startReflector<T extends KubeObject>(
  { client, deps, signal, running }: Bench,
  resource: Resource,
  options: ListWatchOptions<T> = {},
): Reflector<T> {
  const reflector = createReflector<T>(client, resource, options, deps);
  running.push(reflector.run(signal));
  return reflector;
}

/** As `startReflector`, and waits for its first complete view. */
export async function openReflector<T extends KubeObject>(
  bench: Bench,
  resource: Resource,
  options: ListWatchOptions<T> = {},
): Promise<Reflector<T>> {
  const reflector = startReflector(bench, resource, options);
  await eventually(() => expect(reflector.status).toEqual({ state: "synced" }), 20_000);
  return reflector;
}

/** A new namespace. */
export async function createNamespace({ client, signal }: Bench, prefix: string): Promise<string> {
  const { metadata } = await client.request<KubeObject>({
    method: "POST",
    path: "/api/v1/namespaces",
    body: { metadata: { generateName: `${prefix}-` } },
    signal,
  });
  return metadata.name;
}

/** As `kubectl create`. */
export function create<T extends KubeObject>(
  { client, signal }: Bench,
  resource: Resource,
  object: T & { readonly [field: string]: unknown },
): Promise<T> {
  const path = collectionPath(resource, object.metadata.namespace);
  return client.request<T>({ method: "POST", path, body: object, signal });
}

type Name = Pick<KubeObject["metadata"], "namespace" | "name">;

/** As `kubectl patch --type=merge`. */
export function patch<T extends KubeObject>(
  { client, signal }: Bench,
  resource: Resource,
  name: Name,
  body: object,
): Promise<T> {
  const path = objectPath(resource, name);
  const contentType = "application/merge-patch+json";
  return client.request<T>({
    method: "PATCH",
    path,
    query: { fieldManager: "kubectl" },
    body,
    contentType,
    signal,
  });
}

/** As `kubectl get`. */
export function get<T extends KubeObject>(
  { client, signal }: Bench,
  resource: Resource,
  name: Name,
): Promise<T> {
  return client.request<T>({ method: "GET", path: objectPath(resource, name), signal });
}

/** As `kubectl delete`, without waiting. */
export async function deleteObject({ client, signal }: Bench, resource: Resource, name: Name): Promise<void> {
  await client.request({ method: "DELETE", path: objectPath(resource, name), signal });
}

/** The names of a namespace's objects. */
export async function namesOf(
  { client, signal }: Bench,
  resource: Resource,
  namespace: string,
): Promise<string[]> {
  const path = collectionPath(resource, namespace);
  const { items } = await client.request<{ readonly items: readonly KubeObject[] }>({
    method: "GET",
    path,
    signal,
  });
  return items.map(({ metadata }) => metadata.name);
}

/** A ServiceEntry as the operator writes them. */
export function serviceEntry(namespace: string, name: string, address = "10.42.0.57"): ServiceEntry {
  return {
    apiVersion: "networking.istio.io/v1beta1",
    kind: "ServiceEntry",
    metadata: { name, namespace, labels: { "app.kubernetes.io/managed-by": "registryhub" } },
    spec: {
      hosts: [`${name}.${namespace}`],
      addresses: ["240.241.0.7"],
      location: "MESH_INTERNAL",
      resolution: "STATIC",
      ports: [{ name: "tcp-metaprotocol-dubbo", number: 20880, protocol: "tcp", targetPort: 20880 }],
      endpoints: [{ address, ports: { "tcp-metaprotocol-dubbo": 20880 }, labels: { version: "1.0.0" } }],
    },
  };
}

/** A copy of the administrator's kubeconfig, changed by `edit`, in a folder that goes with the test. */
export async function editedKubeconfig(
  server: Pick<TestServer, "kubeconfig">,
  edit: (kubeconfig: Kubeconfig) => unknown,
): Promise<string> {
  const kubeconfig = JSON.parse(await readFile(server.kubeconfig, "utf8")) as Kubeconfig;
  await edit(kubeconfig);
  const path = join(testFolder(), "kubeconfig");
  await writeFile(path, JSON.stringify(kubeconfig));
  return path;
}

/** The kubeconfig with which every connection goes to another port of 127.0.0.1, such as a proxy's. */
export function kubeconfigThrough(
  server: Pick<TestServer, "kubeconfig" | "url">,
  proxy: { readonly port: number },
): Promise<string> {
  return editedKubeconfig(server, ({ clusters }) => {
    clusters[0].cluster.server = `${new URL(server.url).protocol}//127.0.0.1:${proxy.port}`;
  });
}

/** A folder that goes with the test. */
export function testFolder(): string {
  const folder = temporaryFolder("cluster-test");
  onTestFinished(() => folder[Symbol.asyncDispose]());
  return folder.path;
}

/** As test/bed writes it. */
export interface Kubeconfig {
  readonly clusters: [{ name: string; cluster: { server: string; "certificate-authority": string } }];
  readonly users: [{ name: string; user: { token?: string; tokenFile?: string } }];
}

export const { serviceEntries, configMaps } = resources;

/** The namespace `default`, which every cluster has. */
export const getDefaultNamespace = ({ client, signal }: Bench, timeoutMs?: number): Promise<KubeObject> =>
  client.request<KubeObject>({
    method: "GET",
    path: "/api/v1/namespaces/default",
    signal,
    ...(timeoutMs !== undefined && { timeoutMs }),
  });

/** What the request failed with. @throws Error when it did not. */
export async function failure(request: Promise<unknown>): Promise<KubeError> {
  const error = await request.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof KubeError)) throw new Error("expected a KubeError", { cause: error });
  return error;
}
