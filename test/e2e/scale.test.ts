import { beforeAll, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { recordEntries } from "./recording.ts";
import {
  endpointsOf,
  newTenant,
  providerUrl,
  RETRY_MS,
  SOON_MS,
  type Tenant,
  untilFailed,
  untilReady,
  useWorld,
} from "./world.ts";

const SERVICES = 1_000;
const SYNC_MS = 120_000;

const world = useWorld();
let tenant: Tenant;
let paths: readonly string[];
beforeAll(async () => {
  tenant = await newTenant(world);
  paths = await tenant.provide(...Array.from({ length: SERVICES }, (_, index) => shopUrl(index)));
});

test(`${SERVICES} services: one write each, and a restart on an unchanged world writes nothing`, async () => {
  const since = new Date();
  await tenant.applyHub();
  await eventually(async () => expect(await tenant.entries()).toHaveLength(SERVICES), SYNC_MS, 500);
  await untilReady(tenant);
  expect(await writes(since)).toHaveLength(SERVICES);
  const vips = (await tenant.entries()).map(({ spec }) => spec.addresses?.[0]);
  expect(new Set(vips).size).toBe(SERVICES);
  await eventually(async () => {
    expect((await tenant.hub()).status).toMatchObject({
      services: SERVICES,
      endpoints: SERVICES,
      truncated: 800,
    });
  }, SYNC_MS);

  const restartedAt = new Date();
  await world.controllers.hub.restart();
  await untilIdle(2);
  expect(await world.api.writes({ since: restartedAt, userAgent: "registryhub-hub-controller" })).toEqual([]);
});

test("one provider more is exactly one write", async () => {
  const since = new Date();
  const [path = ""] = await tenant.provide(shopUrl(7, "10.43.0.1"));
  await untilEndpointsOfShop(7, 2);
  expect(await writes(since)).toHaveLength(1);
  await world.writer.delete(path);
  await untilEndpointsOfShop(7, 1);
  expect(await writes(since)).toHaveLength(2);
});

test("a provider killed and started again within its session is no write at all", async () => {
  const since = new Date();
  // Its new process registers while the old node is still there, with another pid and timestamp.
  await tenant.provide(shopUrl(8, "10.42.8.8", { pid: "2", timestamp: "2" }));
  await world.writer.delete(paths[8] ?? "");
  // And one that is quick to delete the old node itself: delete, then create.
  await world.writer.delete(paths[9] ?? "");
  await tenant.provide(shopUrl(9, "10.42.9.9", { pid: "2", timestamp: "2" }));
  await addAndRemoveCanary();
  expect(await writes(since)).toHaveLength(2); // the canary's
});

test("the registry killed, the operator restarted, the registry back: no endpoint is missing at any moment", async () => {
  const before = (await tenant.entries()).map(endpointsOf);
  const recording = await recordEntries(world.recorder, tenant.namespace);
  await world.zooKeeper.kill();
  await world.controllers.hub.kill();
  await world.controllers.hub.restart();
  await untilFailed(tenant, "RegistryUnreachable", /connection refused$/);
  await world.restartZooKeeper();
  await untilReady(tenant, { deadlineMs: RETRY_MS });
  await addAndRemoveCanary(); // by then it has settled, and believes its registry
  const changes = await recording.changes();
  const changed = changes.map(({ type, object }) => `${type} ${object.spec.hosts?.[0]}`);
  expect(new Set(changed)).toEqual(new Set([`MODIFIED ${hostOf(7)}`]));
  for (const { object } of changes) expect(endpointsOf(object)).toContain("10.42.7.7:20880");
  expect((await tenant.entries()).map(endpointsOf)).toEqual(before);
});

const hostOf = (shop: number) => `org.example.shop${shop}-1.0.0.${tenant.namespace}`;

function shopUrl(
  shop: number,
  ip = `10.42.${shop % 250}.${shop % 250}`,
  parameters: Readonly<Record<string, string>> = {},
): string {
  return providerUrl(`org.example.Shop${shop}`, `${ip}:20880`, parameters);
}

/** Two writes; whatever was seen before the canary left has been planned and written when it is gone. */
async function addAndRemoveCanary(): Promise<void> {
  const [path = ""] = await tenant.provide(shopUrl(7, "10.43.0.2"));
  await untilEndpointsOfShop(7, 2);
  await world.writer.delete(path);
  await untilEndpointsOfShop(7, 1);
}

async function untilEndpointsOfShop(shop: number, count: number): Promise<void> {
  await eventually(
    async () => {
      const entry = (await tenant.entries()).find(({ spec }) => spec.hosts?.[0] === hostOf(shop));
      expect(entry?.spec.endpoints).toHaveLength(count);
    },
    SOON_MS,
    200,
  );
}

/** Until the operator has listed the registry for the `starts`-th time and has nothing left to do. */
async function untilIdle(starts: number): Promise<void> {
  const { hub } = world.controllers;
  await eventually(async () => {
    const listed = hub.log().filter(({ msg }) => msg === "registry listed");
    expect(listed).toHaveLength(starts);
    expect((await hub.get("/metrics")).body).toContain('registryhub_queue_depth{queue="hosts"} 0');
  }, SOON_MS);
}

function writes(since: Date) {
  return world.api.writes({ since, namespace: tenant.namespace, resource: "serviceentries" });
}
