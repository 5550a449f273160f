import { expect, onTestFinished, test } from "vitest";
import { createEventRecorder } from "../../../src/kube/events.ts";
import type { KubeObject } from "../../../src/model/kubernetes.ts";
import { inProcessClient } from "../../fakes/api-server/in-process.ts";
import { createFakeApiServer } from "../../fakes/api-server/server.ts";
import { fakeClock } from "../../support/fake-clock.ts";
import { silentLogger } from "../../support/model.ts";

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

function open() {
  const clock = fakeClock();
  const server = createFakeApiServer(clock);
  for (const namespace of ["demo", "other", "third"]) server.person.createNamespace(namespace);
  const client = inProcessClient(server, { user: "test", userAgent: "test/1", concurrency: 16 }, clock);
  const deps = { clock, logger: silentLogger, random: () => 0.5 };
  const stopping = new AbortController();
  onTestFinished(() => stopping.abort());
  let dropped = 0;
  const metrics = { eventDropped: () => void dropped++ };
  const recorder = createEventRecorder(client, "test", metrics, deps, stopping.signal);
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms);
    await settled();
  };
  /** Records the same thing about objects number `from` to `to` of these namespaces. */
  const record = async (from: number, to: number, namespaces = ["demo"]): Promise<void> => {
    for (let at = from; at <= to; at++)
      for (const namespace of namespaces) {
        const object = objectAt(at, namespace);
        recorder.record({ object, type: "Warning", reason: "Contended", message: "m" });
      }
    await pass(0);
  };
  /** How often which object has been told about, and by how many writes in all. */
  const told = () =>
    Object.fromEntries(
      server.person
        .list("events", "demo")
        .map(({ involvedObject, count }) => [involvedObject.name, count] as const),
    );
  return {
    recorder,
    record,
    pass,
    told,
    writes: () => server.writes().length,
    dropped: () => dropped,
    server,
  };
}

const objectAt = (at: number, namespace: string): KubeObject => ({
  apiVersion: "networking.istio.io/v1beta1",
  kind: "ServiceEntry",
  metadata: { namespace, name: `entry-${at}`, uid: `${at}` },
});

test("25 Events are written at once and one a second in the long run; the others are counted as dropped (H22)", async () => {
  const { record, pass, writes, dropped } = open();
  const all = ["demo", "other", "third"];
  await record(1, 100, all);
  expect([writes(), dropped()]).toEqual([25, 275]);
  await pass(6_000);
  await record(101, 200, all);
  expect([writes(), dropped()]).toEqual([31, 275 + 294]);
  await pass(3_600_000);
  await record(201, 300, all);
  expect([writes(), dropped()]).toEqual([56, 275 + 294 + 275]);
});

test("one namespace has half of them, so that others hear of theirs (H22)", async () => {
  const { record, pass, server, writes } = open();
  await record(1, 1_000);
  expect(writes()).toBe(12);
  await record(1, 5, ["other"]);
  expect(server.person.list("events", "other")).toHaveLength(5);
  await pass(60_000);
  await record(1_001, 2_000);
  await pass(10_000);
  await record(2_001, 3_000);
  expect(writes()).toBe(12 + 5 + 12 + 5);
});

test("minor ones leave room for others, in all and in a namespace", async () => {
  const { recorder, pass, server } = open();
  const namespaces = ["demo", "other", "third"];
  const record = (name: string, namespace: string, minor: { readonly isMinor?: true }): void =>
    recorder.record({
      object: { apiVersion: "v1", kind: "Pod", metadata: { namespace, name } },
      type: "Normal",
      reason: "Emptied",
      message: "m",
      ...minor,
    });
  for (let at = 0; at < 100; at++)
    for (const namespace of namespaces) record(`minor-${at}`, namespace, { isMinor: true });
  for (const namespace of namespaces) record("major", namespace, {});
  await pass(0);
  const told = namespaces.map((namespace) =>
    server.person.list("events", namespace).map(({ involvedObject: { name } }) => name.split("-")[0]),
  );
  expect(told.flat().filter((name) => name === "minor")).toHaveLength(12);
  for (const names of told) expect(names).toContain("major");
});

test.each([".", "-", "-.-."])(
  "the name of an Event is legal where that of its object is cut at %j (I19)",
  async (end) => {
    const { server, recorder, pass } = open();
    const name = `${"a".repeat(236 - end.length)}${end}bbbbb`;
    recorder.record({
      object: { ...objectAt(1, "demo"), metadata: { namespace: "demo", name } },
      type: "Normal",
      reason: "X",
      message: "m",
    });
    await pass(0);
    expect(server.person.list("events", "demo").map((one) => one.metadata.name)).toEqual([
      expect.stringMatching(/^a+\.[0-9a-f]{16}$/),
    ]);
  },
);

test("what was dropped is in the count of the next repeat that is written", async () => {
  const { record, pass, told, dropped } = open();
  await record(1, 13);
  await record(13, 13);
  expect([told()["entry-13"], dropped()]).toEqual([undefined, 2]);
  await pass(2_000);
  await record(13, 13);
  expect(told()["entry-13"]).toBe(3);
});

test("a repeat within ten minutes raises the count, a later one is a new Event", async () => {
  const { record, pass, told, server } = open();
  await record(1, 1);
  await pass(600_000);
  await record(1, 1);
  expect(told()).toEqual({ "entry-1": 2 });
  await pass(300_000);
  await record(2, 2); // its record forgets nothing that is not old
  await pass(300_001);
  await record(1, 1);
  expect(server.person.list("events", "demo").map(({ count }) => count)).toEqual([2, 1, 1]);
});
