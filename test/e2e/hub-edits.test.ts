import { describe, expect, test } from "vitest";
import type { HubStatus, RegistryHub } from "../../src/model/registryhub.ts";
import { startZooKeeper } from "../bed/zookeeper.ts";
import { eventually } from "../support/eventually.ts";
import { connectZkWriter } from "../support/zk-writer.ts";
import { recordEntries } from "./recording.ts";
import {
  conditionOf,
  endpointsOf,
  newTenant,
  providerUrl,
  quickly,
  SOON_MS,
  STATUS_MS,
  type Tenant,
  untilNothingHeld,
  untilReady,
  useWorld,
} from "./world.ts";

/** A hold is there to be seen and let go of, not to end. */
const world = useWorld({ hub: [...quickly, "--shrink-hold=20s"] });

describe.concurrent("policy, suspend and l7", () => {
  test("observe counts what it would do and writes nothing; sync then does it", async () => {
    const tenant = await newTenant(world);
    await provideShops(tenant, 3);
    const since = new Date();
    await tenant.applyHub({ policy: "observe" });
    await eventually(async () => {
      const hub = await tenant.hub();
      expect(conditionOf(hub, "Ready")).toMatchObject({ status: "True", reason: "Observing" });
      expect(conditionOf(hub, "Applied")).toMatchObject({ status: "True", reason: "Observing" });
      expect(hub.status).toMatchObject({ phase: "success", plan: { create: 3, change: 0, remove: 0 } });
    }, STATUS_MS);
    expect(await writesTo(tenant, since)).toEqual([]);
    await tenant.applyHub({ policy: "sync" });
    await untilEndpoints(tenant, shops(3));
    expect((await untilReady(tenant)).status).not.toHaveProperty("plan");
  });

  test("upsert-only adds and never removes; sync then removes", async () => {
    const tenant = await newTenant(world);
    const [first = ""] = await provideShops(tenant, 2);
    await tenant.applyHub({ policy: "upsert-only" });
    await untilEndpoints(tenant, shops(2));
    await untilReady(tenant);
    const since = new Date();
    await world.writer.delete(first);
    await tenant.provide(shopUrl(3)); // the listing without the first has been taken in when this one is there
    await untilEndpoints(tenant, shops(3));
    expect((await writesTo(tenant, since)).map(({ verb }) => verb)).toEqual(["patch"]);
    await tenant.applyHub({ policy: "sync" });
    await untilEndpoints(tenant, shops(3).slice(1));
  });

  test("suspend: no connection and no writes, what exists stays; afterwards it follows", async () => {
    const tenant = await newTenant(world);
    const [first = ""] = await provideShops(tenant, 2);
    await tenant.applyHub();
    await untilEndpoints(tenant, shops(2));
    await untilReady(tenant);
    await tenant.applyHub({ suspend: true });
    await eventually(async () => {
      const hub = await tenant.hub();
      expect(conditionOf(hub, "Ready")).toMatchObject({ status: "True", reason: "Suspended" });
      expect(conditionOf(hub, "RegistrySynced")).toMatchObject({ status: "True" });
      expect(hub.status?.phase).toBe("success");
    }, STATUS_MS);
    const since = new Date();
    await world.writer.delete(first);
    await tenant.provide(shopUrl(3));
    const watched = await newTenant(world); // a hub that is not suspended shows when the operator has had its time
    await provideShops(watched, 1);
    await watched.applyHub();
    await untilReady(watched);
    expect(await writesTo(tenant, since)).toEqual([]);
    await tenant.applyHub({ suspend: false });
    await untilEndpoints(tenant, shops(3).slice(1));
  });

  test("l7: false takes the filters away and keeps the entry; true brings them back", async () => {
    const tenant = await newTenant(world);
    await provideShops(tenant, 1);
    await tenant.applyHub();
    await untilFilters(tenant, 1);
    const [before] = await tenant.entries();
    await tenant.applyHub({ l7: false });
    await untilFilters(tenant, 0);
    const [without] = await tenant.entries();
    expect(without?.metadata.annotations).toMatchObject({ "ecns.easystack.cn/l7": "false" });
    expect(without?.spec).toEqual(before?.spec);
    await tenant.applyHub({ l7: true });
    await untilFilters(tenant, 1);
  });
});

describe.concurrent("another registry, another namespace, another hub", () => {
  test("another address: the old entries stay until the new registry has listed and settled", async () => {
    const tenant = await newTenant(world);
    await using other = await startZooKeeper();
    await using writer = await connectZkWriter(other.address);
    await provideShops(tenant, 3);
    await tenant.applyHub();
    await untilEndpoints(tenant, shops(3));
    const firstOrigin = (await untilReady(tenant)).status?.origin;
    await writer.registerProviders([shopUrl(3), shopUrl(4)], tenant.root);

    const recording = await recordEntries(world.recorder, tenant.namespace);
    await tenant.applyHub({ address: other.address });
    await untilEndpoints(tenant, shops(4).slice(2)); // the others are gone after their grace
    const changes = (await recording.changes()).map(({ type, object }) => [type, ...endpointsOf(object)]);
    expect(changes).toEqual([
      ["ADDED", "10.42.4.4:20880"],
      ["MODIFIED"], // emptied, and then
      ["MODIFIED"],
      ["DELETED"],
      ["DELETED"],
    ]);
    // What lasts for seconds is looked up in what was recorded.
    const held = statusesOf(tenant).find(({ conditions }) =>
      conditions.some(({ type, reason }) => type === "DeletionHeld" && reason === "Settling"),
    );
    expect(held).toMatchObject({ address: other.address, phase: "success" });
    expect(held?.origin).not.toBe(firstOrigin);
    await untilReady(tenant);
    await untilNothingHeld(tenant);
  });

  test("another generate_to: both hosts live until the registry has settled, then the old one goes", async () => {
    const tenant = await newTenant(world);
    const target = `${tenant.namespace}-target`;
    await world.api.kubectl(["create", "namespace", target]);
    await provideShops(tenant, 2);
    await tenant.applyHub();
    await untilEndpoints(tenant, shops(2));
    await untilReady(tenant);
    const recording = await recordEntries(world.recorder, tenant.namespace);
    await tenant.applyHub({ generate_to: target });
    await eventually(async () => {
      const moved = await world.cluster.serviceEntries(target);
      expect(moved.map(endpointsOf)).toEqual(shops(2));
      expect(moved.map(({ spec }) => spec.hosts?.[0])).toEqual([
        `org.example.shop1-1.0.0.${target}`,
        `org.example.shop2-1.0.0.${target}`,
      ]);
    }, SOON_MS);
    expect(await recording.changes()).toEqual([]);
    await untilEndpoints(tenant, []);
    await eventually(async () => {
      expect((await tenant.hub()).status).toMatchObject({ generate_to: target, services: 2, endpoints: 2 });
    }, STATUS_MS);
  });

  test("two hubs feed one host: the union; each endpoint says who vouches for it", async () => {
    const tenant = await newTenant(world);
    const otherRoot = `${tenant.root}-other`;
    await tenant.provide(shopUrl(1, "10.42.4.1:20880"), shopUrl(1, "10.42.4.2:20880"));
    const [shared = ""] = await world.writer.registerProviders(
      [shopUrl(1, "10.42.4.2:20880"), shopUrl(1, "10.42.4.3:20880")],
      otherRoot,
    );
    await tenant.applyHub({}, "old");
    await untilReady(tenant, { name: "old" });
    await tenant.applyHub({ zookeeper: { root: otherRoot } }, "new");
    await untilEndpoints(tenant, [["10.42.4.1:20880", "10.42.4.2:20880", "10.42.4.3:20880"]]);
    const [entry] = await tenant.entries();
    expect(entry?.metadata.annotations?.["ecns.easystack.cn/hubs"]).toBe(
      `${tenant.namespace}/new,${tenant.namespace}/old`,
    );
    const vouching = (entry?.spec.endpoints ?? []).map(
      ({ labels }) => labels?.["ecns.easystack.cn/by"]?.split(".").length,
    );
    expect(vouching).toEqual([1, 2, 1]);

    await world.writer.delete(shared); // the old hub still lists it
    await eventually(async () => {
      const [now] = await tenant.entries();
      expect(now?.spec.endpoints?.[1]?.labels?.["ecns.easystack.cn/by"]).not.toContain(".");
    }, SOON_MS);
    await world.api.kubectl(["delete", "rh", "old", "-n", tenant.namespace]);
    await untilEndpoints(tenant, [["10.42.4.3:20880"]]);
  });
});

describe.concurrent("many services vanish at once", () => {
  test("the brake holds their last instances, says so, and lets go by annotation", async () => {
    const tenant = await newTenant(world);
    const paths = await provideShops(tenant, 5);
    await tenant.applyHub();
    await untilEndpoints(tenant, shops(5));
    await untilSettled(tenant);
    await Promise.all(paths.map((path) => world.writer.delete(path)));
    const held = await eventually(async () => {
      const hub = await tenant.hub();
      expect(conditionOf(hub, "DeletionHeld")).toMatchObject({ status: "True", reason: "Shrunk" });
      expect(hub.status?.hold?.services).toBeGreaterThan(3); // those that were missing when it began
      return hub;
    }, STATUS_MS);
    expect((await tenant.entries()).map(endpointsOf)).toEqual(shops(5));
    const release = `ecns.easystack.cn/release-hold=${held.status?.hold?.until}`;
    await world.api.kubectl(["annotate", "rh", "hub", "-n", tenant.namespace, release]);
    await untilEndpoints(tenant, []);
    await untilReady(tenant);
    await untilNothingHeld(tenant);
  });
});

/** Each status that the hubs of the tenant have had from the last time on that the address was another one. */
function statusesOf({ namespace }: Tenant): readonly HubStatus[] {
  const all = world.recorder
    .changes(namespace)
    .flatMap(({ kind, object }) =>
      kind === "registryhubs" ? [(object as RegistryHub | undefined)?.status] : [],
    )
    .filter((status) => status !== undefined);
  const address = all.at(-1)?.address;
  return all.slice(all.findLastIndex((status) => status.address !== address) + 1);
}

const shopUrl = (number: number, address = `10.42.4.${number}:20880`) =>
  providerUrl(`org.example.Shop${number}`, address);

/** What the entries of the first `count` shops hold. */
const shops = (count: number): readonly (readonly string[])[] =>
  Array.from({ length: count }, (_, index) => [`10.42.4.${index + 1}:20880`]);

/** One provider each for the first `count` shops. */
function provideShops(tenant: Tenant, count: number): Promise<string[]> {
  return tenant.provide(...shops(count).map((_, index) => shopUrl(index + 1)));
}

async function untilEndpoints(tenant: Tenant, expected: readonly (readonly string[])[]): Promise<void> {
  await eventually(async () => {
    expect((await tenant.entries()).map(endpointsOf)).toEqual(expected);
  }, STATUS_MS);
}

/** From then on what the registry no longer lists is believed to be gone: a canary's endpoint is. */
async function untilSettled(tenant: Tenant): Promise<void> {
  const [canary = ""] = await tenant.provide(shopUrl(1, "10.42.4.250:20880"));
  await eventually(async () => {
    expect((await tenant.entries())[0]?.spec.endpoints).toHaveLength(2);
  }, SOON_MS);
  await world.writer.delete(canary);
  await eventually(async () => {
    expect((await tenant.entries())[0]?.spec.endpoints).toHaveLength(1);
  }, SOON_MS);
}

async function untilFilters({ namespace }: Tenant, count: number): Promise<void> {
  await eventually(async () => {
    const filters = await world.cluster.envoyFilters("servicemesh");
    const ours = filters.filter(({ metadata }) =>
      metadata.annotations?.["ecns.easystack.cn/serviceentry"]?.startsWith(`${namespace}/`),
    );
    expect(ours).toHaveLength(count);
  }, SOON_MS);
}

function writesTo({ namespace }: Tenant, since: Date) {
  return world.api.writes({ since, namespace, resource: "serviceentries" });
}
