import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Snapshot } from "../../src/model/service.ts";
import type { RegistryState } from "../../src/registries/supervise.ts";
import { type FaultProxy, startProxy } from "../bed/fault-proxy.ts";
import {
  startZooKeeperEnsemble,
  type ZooKeeperEnsemble,
  type ZooKeeperMember,
} from "../bed/zookeeper-ensemble.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/free-port.ts";
import { connectZkWriter } from "../support/zk-writer.ts";
import { addressesOf, firstSnapshot, observe, supervised } from "./observe.ts";
import { openReader, providerNode, providerUrl } from "./zookeeper-harness.ts";

/** Until the servers that are left have elected a leader, on a busy machine. */
const ELECTION_MS = 30_000;
const SERVICES = 20;

const urlOf = (name: string, host: number): string =>
  providerUrl(name, { address: `10.42.0.${host}`, port: 20_880 });
const addressOf = (...members: readonly ZooKeeperMember[]): string =>
  members.map(({ address }) => address).join(",");
const snapshotsOf = (states: readonly RegistryState[]): readonly Snapshot[] =>
  states.flatMap((one) => (one.state === "synced" ? [one.snapshot] : []));

/** With a test's own root, so that none sees what another has left. */
let roots = 0;
const newRoot = (): string => `/test-${++roots}`;

/** Two instances of each of some services. */
const all = Array.from({ length: SERVICES }, (_, at) => `org.example.Service${at}`).flatMap((name) => [
  urlOf(name, 1),
  urlOf(name, 2),
]);

/** Registers providers at a server, by nodes that outlive the session that makes them. Returns their paths. */
async function provide(
  member: ZooKeeperMember,
  root: string,
  urls: readonly string[],
): Promise<readonly string[]> {
  await using writer = await connectZkWriter(member.address);
  const paths = urls.map((url) => providerNode(new URL(url).pathname.slice(1), url, root));
  await Promise.all(paths.map((path) => writer.create(path)));
  return paths;
}

/** What a reader was told had all of them. */
function isWhole({ services }: Snapshot): void {
  expect(services.size).toBe(SERVICES);
  for (const name of services.keys())
    expect(addressesOf({ services, problems: [] }, name)).toEqual(["10.42.0.1:20880", "10.42.0.2:20880"]);
}

describe("ZooKeeper: an ensemble of three", () => {
  let ensemble: ZooKeeperEnsemble;
  beforeAll(async () => {
    ensemble = await startZooKeeperEnsemble({ patienceMs: 6_000 });
  });
  afterAll(async () => ensemble[Symbol.asyncDispose]());
  beforeEach(async () => {
    await eventually(() => ensemble.roles(), ELECTION_MS);
  });

  test("the leader is killed: every watch ends, nothing is ever listed with less, and the next watches list all", async () => {
    const root = newRoot();
    const { leader, followers } = await ensemble.roles();
    await provide(leader, root, all);
    await using onLeader = supervised(() => openReader({ address: addressOf(leader, ...followers), root }));
    await using onFollower = supervised(() => openReader({ address: addressOf(...followers, leader), root }));
    const readers = [onLeader, onFollower];
    const listings = ({ states }: (typeof readers)[0]) =>
      states.filter((one) => one.state === "synced" && one.first).length;
    await eventually(() => expect(readers.map(listings)).toEqual([1, 1]), 10_000);
    await leader.kill();
    await eventually(() => {
      for (const { states } of readers) expect(states.at(-1)).toMatchObject({ state: "synced", first: true });
      expect(Math.min(...readers.map(listings))).toBeGreaterThan(1);
    }, ELECTION_MS);
    for (const { states } of readers) {
      snapshotsOf(states).forEach(isWhole);
      const errors = states.flatMap((one) => (one.state === "stale" && one.error ? [one.error] : []));
      for (const { code, reset } of errors)
        expect({ code, reset }).toEqual({ code: "RegistryUnreachable", reset: false });
    }
    await leader.restart();
  });

  test("a leader that was frozen and deposed tells nothing old when it thaws", async () => {
    const root = newRoot();
    const { leader, followers } = await ensemble.roles();
    const [gone = ""] = await provide(leader, root, [urlOf("a.B", 1), urlOf("a.B", 2)]);
    await using frozen = observe(openReader({ address: leader.address, root }));
    await frozen.until((one) => expect(addressesOf(one, "a.B")).toHaveLength(2));
    leader.freeze();
    expect(await frozen.ended).toMatchObject({
      code: "RegistryUnreachable",
      detail: `connection to ${leader.address}: the server stopped answering`,
    });
    await eventually(
      async () => expect(await Promise.all(followers.map(({ mode }) => mode()))).toContain("leader"),
      ELECTION_MS,
    );
    await using writer = await connectZkWriter(addressOf(...followers));
    await writer.delete(gone);
    leader.resume();
    const first = await eventually(
      () => firstSnapshot(openReader({ address: leader.address, root })),
      ELECTION_MS,
      10,
    );
    expect(addressesOf(first, "a.B")).toEqual(["10.42.0.2:20880"]);
  });

  test("without a quorum nothing is told but that, and with it everything again", async () => {
    const root = newRoot();
    const {
      leader,
      followers: [left, other],
    } = await ensemble.roles();
    await provide(left, root, all);
    await using reader = observe(openReader({ address: left.address, root }));
    isWhole(await reader.until(() => {}));
    await Promise.all([leader.kill(), other.kill()]);
    expect(await reader.ended).toMatchObject({ code: "RegistryUnreachable" });
    await using alone = observe(openReader({ address: left.address, root }));
    expect(await alone.ended).toMatchObject({
      code: "RegistryUnreachable",
      detail: expect.stringContaining(`connect ${left.address}: `),
    });
    await Promise.all([leader.restart(), other.restart()]);
    isWhole(await eventually(() => firstSnapshot(openReader({ address: left.address, root })), ELECTION_MS));
    expect(reader.snapshots).toHaveLength(1);
  });

  test("of several addresses the dead and the frozen one are passed over", async () => {
    const root = newRoot();
    const {
      leader,
      followers: [frozen],
    } = await ensemble.roles();
    await provide(leader, root, all);
    frozen.freeze();
    const address = `127.0.0.1:${await freePort()},${addressOf(frozen, leader)}`;
    isWhole(await firstSnapshot(openReader({ address, root })));
    frozen.resume();
  });
});

/** With `localSessionsEnabled` a follower gives sessions without asking its leader, so even one that lags does. */
const localSessions = { localSessionsEnabled: true, localSessionsUpgradingEnabled: true };

describe.each([
  { kind: "global", settings: {}, reason: "accepted, but silent for 2 s" },
  {
    kind: "local",
    settings: localSessions,
    reason: "the server lags behind its leader: no answer to sync within 2 s",
  },
])("ZooKeeper: a follower that lags, with $kind sessions", ({ settings, reason }) => {
  test("is passed over, and when it is the only one left to ask it is not believed until it has caught up", async () => {
    const root = newRoot();
    await using links = new AsyncDisposableStack();
    const proxies: FaultProxy[] = [];
    const linkTo = async (port: number): Promise<number> => {
      const proxy = links.use(await startProxy("127.0.0.1", port));
      proxies.push(proxy);
      return proxy.port;
    };
    await using ensemble = await startZooKeeperEnsemble({ settings, linkTo });
    const { leader, followers } = await ensemble.roles();
    const [lagging, other] = followers;
    expect(lagging).toBe(ensemble.members[0]);
    await using toOther = await startProxy("127.0.0.1", other.port);
    const [gone = ""] = await provide(leader, root, [urlOf("a.B", 1), urlOf("a.B", 2)]);
    await using writer = await connectZkWriter(leader.address);
    const address = `${toOther.address},${lagging.address}`;
    await using reader = supervised(() => openReader({ address, root }));
    const { states } = reader;
    const latest = (): readonly string[] => addressesOf(snapshotsOf(states).at(-1) as Snapshot, "a.B");
    await eventually(() => expect(latest()).toHaveLength(2), 10_000);

    for (const proxy of proxies) proxy.stall();
    await writer.delete(gone);
    await eventually(() => expect(latest()).toEqual(["10.42.0.2:20880"]), 10_000);
    const told = states.length;
    const either = openReader({ address: addressOf(lagging, leader), root });
    expect(addressesOf(await firstSnapshot(either), "a.B")).toEqual(["10.42.0.2:20880"]);
    await toOther.refuse();
    await eventually(
      () => expect(errorOf(states)).toContain(`connect ${lagging.address}: ${reason}`),
      15_000,
    );
    expect(snapshotsOf(states.slice(told))).toEqual([]);

    for (const proxy of proxies) await proxy.heal();
    await eventually(() => expect(snapshotsOf(states.slice(told))).not.toEqual([]), ELECTION_MS);
    expect(latest()).toEqual(["10.42.0.2:20880"]);
    for (const one of states) expect(one.state === "stale" && one.error?.reset).not.toBe(true);
  });
});

/** Why nothing is known at the moment. */
function errorOf(states: readonly RegistryState[]): string {
  const latest = states.at(-1);
  return latest === undefined || latest.state === "synced" ? "" : (latest.error?.detail ?? "");
}
