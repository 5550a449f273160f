import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createEventRecorder } from "../../src/kube/events.ts";
import type { KubeObject } from "../../src/kube/resources.ts";
import { readSecret } from "../../src/kube/secrets.ts";
import { writeStatus } from "../../src/kube/status.ts";
import type { HubStatus, RegistryHub } from "../../src/model/hub.ts";
import type { Clock } from "../../src/runtime/deps.ts";
import { type ApiServer, startApiServer } from "../bed/api-server.ts";
import { eventually } from "../support/eventually.ts";
import { type Bench, createNamespace, openBench } from "./cluster.ts";

let server: ApiServer;
beforeAll(async () => {
  server = await startApiServer({ controllerManager: false });
  await server.kubectl(["apply", "--server-side", "-f", "crds/registryhub.yaml"]);
  await server.kubectl(["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]);
});
afterAll(() => server?.[Symbol.asyncDispose]());

let bench: Bench;
let namespace: string;
beforeEach(async () => {
  bench = openBench(server.kubeconfig);
  namespace = await createNamespace(bench, "records");
});

async function create<T extends KubeObject>(kind: string, object: object): Promise<T> {
  const input = JSON.stringify({ kind, ...object });
  return JSON.parse(
    await server.kubectl(["create", "-n", namespace, "-o", "json", "-f", "-"], { input }),
  ) as T;
}

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
    create<KubeObject & RegistryHub>("RegistryHub", {
      apiVersion: "ecns.easystack.cn/v1alpha1",
      metadata: { name: "hub" },
      spec: { generate_to: "demo", type: "zookeeper", address: "zk:2181" },
    });

  const write = (newest: HubStatus) =>
    writeStatus(
      bench.client,
      { name: "hub", namespace },
      { previous: undefined, status: newest },
      bench.signal,
    );

  test("is written as a whole: what a later status lacks goes", async () => {
    const { spec } = await createHub();
    expect(await write(status)).toMatchObject({ ok: { spec, status } });
    const later = { ...status, serviceentries: { two: "2026-11-21T12:01:00Z" } };
    expect(await write(later)).toMatchObject({ ok: { status: later } });
    const hub = await server.kubectl(["get", "rh", "hub", "-n", namespace, "-o", "json"]);
    expect((JSON.parse(hub) as RegistryHub).status).toEqual(later);
  });

  test("of a hub that is gone is a 404, and creates nothing", async () => {
    await createHub();
    await server.kubectl(["delete", "rh", "hub", "-n", namespace]);
    expect(await write(status)).toMatchObject({ error: { status: 404 } });
    expect(await server.kubectl(["get", "rh", "-n", namespace, "-o", "name"])).toBe("");
  });
});

describe("events", () => {
  interface CoreEvent {
    readonly count: number;
    readonly message: string;
    readonly reason: string;
    readonly involvedObject: { readonly uid?: string };
  }
  const eventsOf = async (uid: string): Promise<CoreEvent[]> => {
    const { items } = JSON.parse(await server.kubectl(["get", "events", "-A", "-o", "json"])) as {
      items: CoreEvent[];
    };
    return items.filter(({ involvedObject }) => involvedObject.uid === uid);
  };
  /** Real time, but no pause is longer than 300 ms. */
  const hurried = (clock: Clock): Clock => ({
    ...clock,
    sleep: (ms, signal) => clock.sleep(Math.min(ms, 300), signal),
  });

  test("repeats are counted in one Event and written once per pause; other reasons have their own", async () => {
    const object = await create<KubeObject>("ConfigMap", { apiVersion: "v1", metadata: { name: "subject" } });
    const deps = { ...bench.deps, clock: hurried(bench.deps.clock) };
    const recorder = createEventRecorder(bench.client, "registryhub", deps, bench.signal);
    for (let at = 0; at < 50; at++)
      recorder.record({ object, type: "Warning", reason: "DeletionHeld", message: `attempt ${at}` });
    recorder.record({ object, type: "Normal", reason: "Released", message: "released" });
    await eventually(async () => {
      const events = await eventsOf(object.metadata.uid ?? "");
      expect(new Set(events.map(({ reason, count, message }) => `${reason} ${count} ${message}`))).toEqual(
        new Set(["DeletionHeld 50 attempt 49", "Released 1 released"]),
      );
    }, 10_000);
    const writes = await server.writes({ resource: "events", namespace });
    expect(writes.length).toBeLessThanOrEqual(3);
    expect(await server.kubectl(["describe", "configmap", "subject", "-n", namespace])).toContain("x50 over");
  });

  test("of a cluster-scoped object are kept in default; a failed write is logged and disturbs nobody", async () => {
    const object = JSON.parse(
      await server.kubectl(["get", "namespace", namespace, "-o", "json"]),
    ) as KubeObject;
    const note = { object, type: "Normal", reason: "Seen", message: "seen" } as const;
    createEventRecorder(bench.client, "registryhub", bench.deps, bench.signal).record(note);
    await eventually(async () => expect(await eventsOf(object.metadata.uid ?? "")).toHaveLength(1), 10_000);
    const powerless = openBench(await server.kubeconfigFor(server.aliceToken));
    createEventRecorder(powerless.client, "registryhub", powerless.deps, powerless.signal).record(note);
    await eventually(() => expect(powerless.log).toMatchObject([{ message: "event not written" }]), 10_000);
  });
});

describe("secrets", () => {
  const login = (stringData: Readonly<Record<string, string>>): Promise<KubeObject> =>
    create("Secret", { apiVersion: "v1", metadata: { name: "login" }, stringData });
  const read = () => readSecret(bench.client, namespace, "login", bench.signal);

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

  test.each([
    [{ other: "hidden" }, "has none of the keys username, password, token, ca.crt, tls.crt, tls.key"],
    [{ password: "hidden" }, "has the key password but not username"],
    [{ "tls.crt": "hidden", token: "hidden" }, "has the key tls.crt but not tls.key"],
  ])("an incomplete one is a problem that names keys, never values: %o", async (data, problem) => {
    await login(data);
    expect(await read()).toEqual({ problem: `Secret ${namespace}/login ${problem}` });
  });

  test("a missing one is a problem; one that may not be read is an error", async () => {
    expect(await read()).toEqual({ problem: `Secret ${namespace}/login does not exist` });
    const powerless = openBench(await server.kubeconfigFor(server.aliceToken));
    const reading = readSecret(powerless.client, namespace, "login", powerless.signal);
    await expect(reading).rejects.toMatchObject({ status: 403, reason: "Forbidden" });
  });
});
