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
  server.person.createNamespace("demo");
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
  /** Records the same thing about objects number `from` to `to`. */
  const record = async (from: number, to: number): Promise<void> => {
    for (let at = from; at <= to; at++)
      recorder.record({ object: objectAt(at), type: "Warning", reason: "Contended", message: "m" });
    await pass(0);
  };
  /** How often which object has been told about, and by how many writes in all. */
  const told = () =>
    Object.fromEntries(
      server.person
        .list("events", "demo")
        .map(({ involvedObject, count }) => [involvedObject.name, count] as const),
    );
  return { record, pass, told, writes: () => server.writes().length, dropped: () => dropped, server };
}

const objectAt = (at: number): KubeObject => ({
  apiVersion: "networking.istio.io/v1beta1",
  kind: "ServiceEntry",
  metadata: { namespace: "demo", name: `entry-${at}`, uid: `${at}` },
});

test("25 Events are written at once and one a second in the long run; the others are counted as dropped (H22)", async () => {
  const { record, pass, writes, dropped } = open();
  await record(1, 1_000);
  expect([writes(), dropped()]).toEqual([25, 975]);
  await pass(5_000);
  await record(1_001, 1_100);
  expect([writes(), dropped()]).toEqual([30, 975 + 95]);
  await pass(3_600_000);
  await record(2_001, 3_000);
  expect([writes(), dropped()]).toEqual([55, 975 + 95 + 975]);
});

test("what was dropped is in the count of the next repeat that is written", async () => {
  const { record, pass, told, dropped } = open();
  await record(1, 26);
  await record(26, 26);
  expect([told()["entry-26"], dropped()]).toEqual([undefined, 2]);
  await pass(1_000);
  await record(26, 26);
  expect(told()["entry-26"]).toBe(3);
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
