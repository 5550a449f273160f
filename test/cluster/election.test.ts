import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { createClient } from "../../src/kube/client.ts";
import { Election } from "../../src/kube/election.ts";
import type { Lease } from "../../src/kube/lease.ts";
import { collectionPath, resources } from "../../src/kube/resources.ts";
import { startProxy } from "../bed/fault-proxy.ts";
import { eventually } from "../support/eventually.ts";
import { type FakeClock, fakeClock } from "../support/fake-clock.ts";
import { type Bench, createNamespace, deleteObject, kubeconfigThrough, openBench, patch } from "./cluster.ts";
import { startServer, type TestServer } from "./server.ts";

const SOON_MS = 15_000;
/** As Kubernetes' own components have it: how long a Lease lasts, and how long its holder goes without renewing it. */
const LEASE_MS = 15_000;
const DEADLINE_MS = 10_000;
const RETRY_MS = 2_000;

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server?.[Symbol.asyncDispose]());

let bench: Bench;
let namespace: string;
beforeEach(async () => {
  bench = openBench(server.kubeconfig);
  namespace = await createNamespace(bench, "election");
});

/** One process that wants to lead. Its clock stands still, as that of a stopped process, unless it is told to `pass`. */
interface Candidate {
  readonly election: Election;
  readonly clock: FakeClock;
  /** What it does: aborted as soon as it must stop. */
  readonly work: AbortSignal | undefined;
  /** What the election ended with; undefined = in order. */
  readonly ended: Promise<unknown>;
  /** As SIGTERM does. */
  stop(): void;
  /** Lets its clock run by `ms`, in steps between which the API server can answer. */
  pass(ms: number): Promise<void>;
}

function candidate(identity: string, { kubeconfig = server.kubeconfig, lease = namespace } = {}): Candidate {
  const clock = fakeClock();
  const stopping = new AbortController();
  const client = createClient({ kubeconfig, userAgent: identity, concurrency: 1 }, bench.deps);
  const deps = { ...bench.deps, clock, random: () => 0 };
  const election = new Election(client, { namespace: lease, name: "registryhub", identity }, deps);
  let work: AbortSignal | undefined;
  const ended = election
    .lead((signal) => {
      work = signal;
      return new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    }, stopping.signal)
    .catch((error: unknown) => error);
  bench.signal.addEventListener("abort", () => stopping.abort());
  bench.running.push(ended.then(() => client.close()));
  return {
    election,
    clock,
    get work() {
      return work;
    },
    ended,
    stop: () => stopping.abort(),
    async pass(ms) {
      for (let left = ms; left > 0; left -= 500) {
        clock.advance(Math.min(500, left));
        await readLease(); // takes as long as the candidate's own request
      }
    },
  };
}

async function readLease(): Promise<Lease | undefined> {
  const { items } = await bench.client.request<{ readonly items: readonly Lease[] }>({
    method: "GET",
    path: collectionPath(resources.leases, namespace),
    signal: bench.signal,
  });
  return items[0];
}

const ours = (): { readonly namespace: string; readonly name: string } => ({
  namespace,
  name: "registryhub",
});

const patchLease = (body: object): Promise<Lease> => patch(bench, resources.leases, ours(), body);

const holds = (identity: string): Promise<void> =>
  eventually(async () => expect((await readLease())?.spec?.holderIdentity).toBe(identity), SOON_MS);

const leads = (one: Candidate): Promise<void> =>
  eventually(() => expect(one.work?.aborted).toBe(false), SOON_MS);

test("the first leads, renews, and gives the Lease back at once when it stops", async () => {
  const first = candidate("first");
  await holds("first");
  const before = (await readLease())?.spec;
  expect(before).toMatchObject({ leaseDurationSeconds: LEASE_MS / 1_000, leaseTransitions: 0 });
  const second = candidate("second");
  await first.pass(RETRY_MS);
  await eventually(
    async () => expect((await readLease())?.spec?.renewTime).not.toBe(before?.renewTime),
    SOON_MS,
  );
  expect((await readLease())?.spec?.acquireTime).toBe(before?.acquireTime);
  expect(second.work).toBeUndefined();

  first.stop();
  expect(await first.ended).toBeUndefined();
  expect(() => first.election.assertLeading()).toThrow("no longer holds the Lease");
  await second.pass(RETRY_MS);
  await holds("second");
  await leads(second); // the Lease says so before its holder has the answer
  expect((await readLease())?.spec).toMatchObject({ leaseTransitions: 1 });
  second.election.assertLeading();
});

test("of many that begin at once one leads", async () => {
  const all = Array.from({ length: 8 }, (_, at) => candidate(`candidate-${at}`));
  await eventually(() => expect(all.filter(({ work }) => work !== undefined)).toHaveLength(1), SOON_MS);
  await Promise.all(all.map((one) => one.pass(3 * RETRY_MS)));
  expect(all.filter(({ work }) => work !== undefined)).toHaveLength(1);
});

test("a leader that is stopped is replaced when its Lease has run out, not before, and has lost when it wakes up", async () => {
  const first = candidate("first");
  await leads(first);
  const second = candidate("second");
  await eventually(() => expect(second.clock.pending).toBe(1), SOON_MS);
  await second.pass(LEASE_MS - 1_000);
  expect(second.work).toBeUndefined();
  await second.pass(1_000 + RETRY_MS);
  await leads(second);

  first.clock.advance(60_000);
  expect(first.work?.aborted).toBe(true);
  expect(() => first.election.assertLeading()).toThrow("no longer holds the Lease");
  expect(await first.ended).toMatchObject({ name: "LeadershipLost" });
  await holds("second");
  second.election.assertLeading();
});

test("wall clocks that differ by a day, or go back, change nothing", async () => {
  const first = candidate("first");
  await leads(first);
  const second = candidate("second");
  second.clock.jump(86_400_000);
  await second.pass(2 * RETRY_MS);
  first.clock.jump(-86_400_000);
  for (let round = 0; round < 10; round++) await Promise.all([first.pass(RETRY_MS), second.pass(RETRY_MS)]);
  await holds("first");
  expect(second.work).toBeUndefined();
  first.election.assertLeading();
});

test("a leader whose machine was suspended writes nothing before it has renewed, though its own time stood still", async () => {
  const first = candidate("first");
  await leads(first);
  first.clock.jump(DEADLINE_MS);
  first.election.assertLeading();
  first.clock.jump(1);
  expect(() => first.election.assertLeading()).toThrow("no longer holds the Lease");
  await first.pass(RETRY_MS);
  await eventually(() => first.election.assertLeading(), SOON_MS);
  expect(first.work?.aborted).toBe(false);
});

test("an API server that does not answer: a leader goes on for 10 s and no longer", async () => {
  await using proxy = await startProxy("127.0.0.1", Number(new URL(server.url).port));
  const first = candidate("first", { kubeconfig: await kubeconfigThrough(server, proxy) });
  await leads(first);
  const { renewTime } = (await readLease())?.spec ?? {};
  proxy.stall();
  await first.pass(DEADLINE_MS - 1_000);
  first.election.assertLeading();
  await proxy.heal();
  await eventually(async () => expect((await readLease())?.spec?.renewTime).not.toBe(renewTime), SOON_MS);
  await eventually(() => expect(first.clock.pending).toBe(2), SOON_MS);
  first.election.assertLeading();

  proxy.stall();
  await first.pass(DEADLINE_MS);
  expect(first.work?.aborted).toBe(true);
  expect(String(await first.ended)).toContain("it could not be renewed for 10 s");
});

test("a Lease that somebody took by hand, or deleted, is lost at the next renewal", async () => {
  const first = candidate("first");
  await leads(first);
  await patchLease({ spec: { holderIdentity: "intruder" } });
  await first.pass(RETRY_MS);
  expect(String(await first.ended)).toContain(
    `this process lost the Lease ${namespace}/registryhub: it is held by intruder`,
  );

  await deleteObject(bench, resources.leases, ours());
  const second = candidate("second");
  await leads(second);
  await deleteObject(bench, resources.leases, ours());
  await second.pass(RETRY_MS);
  expect(String(await second.ended)).toContain("it is held by nobody");
});

test("a Lease that somebody annotated goes on", async () => {
  const first = candidate("first");
  await leads(first);
  const { metadata } = await patchLease({ metadata: { annotations: { note: "hands off" } } });
  await first.pass(RETRY_MS);
  await eventually(
    async () => expect((await readLease())?.metadata.resourceVersion).not.toBe(metadata.resourceVersion),
    SOON_MS,
  );
  await first.pass(DEADLINE_MS);
  first.election.assertLeading();
});

test("what is missing is said: the right to leases, or their namespace", async () => {
  const alice = candidate("alice", { kubeconfig: server.alice.kubeconfig });
  const forbidden = `this process cannot hold the Lease ${namespace}/registryhub: leases.coordination.k8s.io "registryhub" is forbidden: User "alice" cannot get`;
  await eventually(() => expect(alice.election.problem).toContain(forbidden), SOON_MS);
  const nowhere = candidate("nowhere", { lease: "nowhere" });
  await eventually(
    () => expect(nowhere.election.problem).toContain('namespaces "nowhere" not found'),
    SOON_MS,
  );

  await server.grant({ verbs: ["get", "create", "patch"], resource: "leases", namespace });
  await alice.pass(RETRY_MS);
  await leads(alice);
  expect(alice.election.problem).toBeUndefined();
});
