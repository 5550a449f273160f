import { expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { recordEntries } from "./recording.ts";
import {
  endpointsOf,
  newTenant,
  providerUrl,
  RETRY_MS,
  STATUS_MS,
  untilFailed,
  untilReady,
  useWorld,
} from "./world.ts";

/** 60 s x the settle factor of these tests. */
const GONE_MS = 3_000;

const world = useWorld();

test("while its registry is down a hub that is replaced loses nothing, and one that is deleted takes its entries along", async () => {
  const { api, zooKeeper } = world;
  const replaced = await newTenant(world);
  const deleted = await newTenant(world);
  for (const tenant of [replaced, deleted]) {
    await tenant.provide(providerUrl("org.example.A", "10.42.5.1:20880"));
    await tenant.provide(providerUrl("org.example.B", "10.42.5.2:20880"));
    await tenant.applyHub();
    await untilReady(tenant);
  }
  const entriesBefore = await replaced.entries();
  const hubBefore = await replaced.hub();
  const recording = await recordEntries(world.recorder, replaced.namespace);

  await zooKeeper.kill();
  const why = new RegExp(`^con.* ${zooKeeper.address}: (closed by the server|connection re.*)$`);
  for (const tenant of [replaced, deleted]) await untilFailed(tenant, "RegistryUnreachable", why);

  const since = new Date();
  await api.kubectl(["replace", "--force", "-f", "-"], { input: replaced.manifest() });
  await api.kubectl(["delete", "rh", "hub", "-n", deleted.namespace]);
  await eventually(async () => expect(await deleted.entries()).toEqual([]), STATUS_MS);
  const deletions = await api.writes({ since, verb: "delete", resource: "serviceentries" });
  expect(deletions).toHaveLength(2);
  // By the API server's clock alone: when kubectl returns, the operator has known for a while.
  const [asked] = await api.writes({
    since,
    verb: "delete",
    resource: "registryhubs",
    namespace: deleted.namespace,
  });
  for (const { at, namespace } of deletions) {
    expect(namespace).toBe(deleted.namespace);
    expect(at.getTime() - (asked?.at.getTime() ?? Number.NaN)).toBeGreaterThanOrEqual(GONE_MS);
  }

  // The replaced one has been missing for a moment, too: by now it would have been noticed.
  const hubAfter = await untilFailed(replaced, "RegistryUnreachable", why);
  expect(hubAfter.metadata.uid).not.toBe(hubBefore.metadata.uid);
  expect(hubAfter.status).toMatchObject({ services: 2, endpoints: 2 });
  expect(Object.keys(hubAfter.status?.serviceentries ?? {})).toHaveLength(2);
  expect(await recording.changes()).toEqual([]);

  await world.restartZooKeeper();
  await untilReady(replaced, { deadlineMs: RETRY_MS });
  expect(await recording.changes()).toEqual([]);
  expect(await replaced.entries()).toEqual(entriesBefore);
  expect(entriesBefore.map(endpointsOf)).toEqual([["10.42.5.1:20880"], ["10.42.5.2:20880"]]);
});

test("the provider's last word counts once the registry is back", async () => {
  const tenant = await newTenant(world);
  const [path = ""] = await tenant.provide(providerUrl("org.example.A", "10.42.5.3:20880"));
  await tenant.applyHub();
  await untilReady(tenant);
  await world.restartZooKeeper();
  await world.writer.delete(path);
  await eventually(async () => expect(await tenant.entries()).toEqual([]), 60_000);
});

test("Events tell when the registry was lost and found again, and a restart of the operator tells nothing", async () => {
  const tenant = await newTenant(world);
  await tenant.provide(providerUrl("org.example.A", "10.42.5.4:20880"));
  await tenant.applyHub();
  await untilReady(tenant);
  await world.zooKeeper.kill();
  await untilFailed(tenant, "RegistryUnreachable", /./);
  await world.restartZooKeeper();
  await untilReady(tenant, { deadlineMs: RETRY_MS });
  const columns = "-o=custom-columns=KIND:.involvedObject.kind,TYPE:.type,REASON:.reason";
  const events = async () => {
    const table = await world.api.kubectl(["get", "events", "-n", tenant.namespace, "--no-headers", columns]);
    return table
      .trim()
      .split("\n")
      .map((line) => line.replace(/ +/g, " "))
      .toSorted();
  };
  const told = [
    "RegistryHub Normal Applied",
    "RegistryHub Normal Synced",
    "RegistryHub Warning RegistryUnreachable",
  ];
  await eventually(async () => expect(await events()).toEqual(told), STATUS_MS);
  await world.controllers.hub.restart();
  await tenant.provide(providerUrl("org.example.B", "10.42.5.5:20880"));
  await eventually(async () => expect((await tenant.hub()).status?.services).toBe(2), STATUS_MS);
  expect(await events()).toEqual(told);
});
