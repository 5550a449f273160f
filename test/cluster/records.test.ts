import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { writeStatus } from "../../src/kube/apply.ts";
import { createEventRecorder } from "../../src/kube/events.ts";
import { collectionPath, objectPath, resources } from "../../src/kube/resources.ts";
import { readSecret } from "../../src/kube/secrets.ts";
import type { KubeObject } from "../../src/model/kubernetes.ts";
import type { HubStatus, RegistryHub } from "../../src/model/registryhub.ts";
import type { Clock } from "../../src/runtime/deps.ts";
import { readCredentials } from "../../src/translate/read-back/secret.ts";
import { eventually } from "../support/eventually.ts";
import {
  type Bench,
  configMaps,
  create,
  createNamespace,
  deleteObject,
  get,
  namesOf,
  openBench,
} from "./cluster.ts";
import { startServer, type TestServer } from "./server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ crds: true });
});
afterAll(() => server?.[Symbol.asyncDispose]());

let bench: Bench;
let namespace: string;
beforeEach(async () => {
  bench = openBench(server.kubeconfig);
  namespace = await createNamespace(bench, "records");
});

describe("status", () => {
  const condition = {
    type: "Ready",
    status: "False",
    reason: "RegistryUnreachable",
    message: "lookup zk: no such host. Check spec.address.",
    failed_reason: "lookup zk: no such host",
    record_time: "2026-11-21T12:00:00Z",
    lastTransitionTime: "2026-11-21T12:00:00Z",
    observedGeneration: 1,
  } as const;
  const status: HubStatus = {
    address: "zk:2181",
    type: "zookeeper",
    generate_to: "demo",
    phase: "failed",
    serviceentries: { one: "2026-11-21T12:00:00Z" },
    conditions: [condition],
    observedGeneration: 1,
    services: 1,
    endpoints: 2,
    rejected: 0,
    problems: [],
    origin: "",
    truncated: 0,
  };
  const createHub = (): Promise<RegistryHub> =>
    create<RegistryHub>(bench, resources.registryHubs, {
      apiVersion: "ecns.easystack.cn/v1alpha1",
      kind: "RegistryHub",
      metadata: { namespace, name: "hub" },
      spec: { generate_to: "demo", type: "zookeeper", address: "zk:2181" },
    });

  const write = (newest: HubStatus) =>
    writeStatus(bench.client, { name: "hub", namespace }, newest, bench.signal);

  test("is written as a whole: what a later status lacks goes", async () => {
    const { spec } = await createHub();
    expect(await write(status)).toMatchObject({ ok: { spec, status } });
    const later = { ...status, serviceentries: { two: "2026-11-21T12:01:00Z" } };
    expect(await write(later)).toMatchObject({ ok: { status: later } });
    const hub = await get<RegistryHub>(bench, resources.registryHubs, { namespace, name: "hub" });
    expect(hub.status).toEqual(later);
  });

  test("is written as a whole: what somebody else has put there goes", async () => {
    await createHub();
    await write(status);
    const path = objectPath(resources.registryHubs, { namespace, name: "hub" }, "status");
    const body = { status: { hold: { since: "s", until: "u" }, plan: { create: 1 } } };
    const contentType = "application/merge-patch+json";
    await bench.client.request({ method: "PATCH", path, body, contentType, signal: bench.signal });
    const later = { ...status, services: 2 };
    expect(await write(later)).toMatchObject({ ok: { status: later } });
    const hub = await get<RegistryHub>(bench, resources.registryHubs, { namespace, name: "hub" });
    expect(hub.status).toEqual(later);
  });

  test("of a hub that is gone is a 404, and creates nothing", async () => {
    await createHub();
    await deleteObject(bench, resources.registryHubs, { namespace, name: "hub" });
    expect(await write(status)).toMatchObject({ error: { status: 404 } });
    expect(await namesOf(bench, resources.registryHubs, namespace)).toEqual([]);
  });
});

describe("events", () => {
  const uncounted = { eventDropped: () => undefined };
  interface CoreEvent {
    readonly count: number;
    readonly message: string;
    readonly reason: string;
    readonly involvedObject: { readonly uid?: string };
  }
  const eventsOf = async (uid: string): Promise<readonly CoreEvent[]> => {
    const path = collectionPath(resources.events);
    const request = { method: "GET", path, signal: bench.signal } as const;
    const { items } = await bench.client.request<{ readonly items: readonly CoreEvent[] }>(request);
    return items.filter(({ involvedObject }) => involvedObject.uid === uid);
  };
  /** Real time, but no pause is longer than 300 ms. */
  const hurried = (clock: Clock): Clock => ({
    ...clock,
    sleep: (ms, signal) => clock.sleep(Math.min(ms, 300), signal),
  });

  test("repeats are counted in one Event and written once per pause; other reasons have their own", async () => {
    const object = await create<KubeObject>(bench, configMaps, { metadata: { namespace, name: "subject" } });
    const deps = { ...bench.deps, clock: hurried(bench.deps.clock) };
    const recorder = createEventRecorder(bench.client, "registryhub", uncounted, deps, bench.signal);
    for (let at = 0; at < 50; at++)
      recorder.record({ object, type: "Warning", reason: "DeletionHeld", message: `attempt ${at}` });
    recorder.record({ object, type: "Normal", reason: "Released", message: "released" });
    await eventually(async () => {
      const events = await eventsOf(object.metadata.uid ?? "");
      expect(new Set(events.map(({ reason, count, message }) => `${reason} ${count} ${message}`))).toEqual(
        new Set(["DeletionHeld 50 attempt 49", "Released 1 released"]),
      );
    }, 10_000);
    const isOurs = (one: { resource: string; namespace: string }): boolean =>
      one.resource === "events" && one.namespace === namespace;
    expect((await server.writes()).filter(isOurs).length).toBeLessThanOrEqual(3);
  });

  test("of a cluster-scoped object are kept in default; a failed write is logged and disturbs nobody", async () => {
    const object = await get<KubeObject>(bench, resources.namespaces, { name: namespace });
    const note = { object, type: "Normal", reason: "Seen", message: "seen" } as const;
    createEventRecorder(bench.client, "registryhub", uncounted, bench.deps, bench.signal).record(note);
    await eventually(async () => expect(await eventsOf(object.metadata.uid ?? "")).toHaveLength(1), 10_000);
    const powerless = openBench(server.alice.kubeconfig);
    createEventRecorder(powerless.client, "registryhub", uncounted, powerless.deps, powerless.signal).record(
      note,
    );
    await eventually(() => expect(powerless.log).toMatchObject([{ message: "event not written" }]), 10_000);
  });
});

describe("secrets", () => {
  const login = (stringData: Readonly<Record<string, string>>): Promise<KubeObject> =>
    create(bench, resources.secrets, { metadata: { namespace, name: "login" }, stringData });
  const read = async () => {
    const secret = await readSecret(bench.client, namespace, "login", bench.signal);
    return secret && readCredentials(secret);
  };

  test("all six keys become credentials, without the line end that `echo` left", async () => {
    await login({
      username: "u",
      password: "p w\n",
      token: "t",
      "ca.crt": "CA",
      "tls.crt": "C",
      "tls.key": "K",
      x: "y",
    });
    const credentials = {
      username: "u",
      password: "p w",
      token: "t",
      caCert: "CA",
      clientCert: "C",
      clientKey: "K",
    };
    expect(await read()).toEqual({ credentials });
  });

  test("a missing one is undefined; one that may not be read is an error", async () => {
    expect(await read()).toBeUndefined();
    const powerless = openBench(server.alice.kubeconfig);
    const reading = readSecret(powerless.client, namespace, "login", powerless.signal);
    await expect(reading).rejects.toMatchObject({ status: 403, reason: "Forbidden" });
  });
});
