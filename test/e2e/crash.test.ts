import { describe, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { recordEntries } from "./recording.ts";
import { slowAdmission } from "./slow-admission.ts";
import { newTenant, providerUrl, quickly, SOON_MS, untilReady, useWorld } from "./world.ts";

const SERVICES = 50;
const WEBHOOK_MS = 20;

// One request at a time, and each asks this process: it sees which write it is before many more can follow.
const slowly = "--kube-api-concurrency=1";
const world = useWorld({ hub: [...quickly, slowly], dubbo: [slowly] });

describe.each([1, 2, 9, 20, 35])("struck at write %i of a first sync", (k) => {
  test("kill -9 of both controllers: after a restart exactly what is wanted, nothing deleted on the way", async () => {
    const { controllers } = world;
    await using synced = await syncUntil(k);
    await controllers.kill();
    await synced.expectIncomplete();
    await controllers.restart();
    await synced.untilComplete();
  });
});

test("SIGTERM in the middle of a sync: exit code 0 within 5 s, and the next start goes on", async () => {
  const { controllers } = world;
  await using synced = await syncUntil(5);
  const endings = await Promise.all([controllers.hub.terminate(), controllers.dubbo.terminate()]);
  for (const { exitCode, tookMs } of endings) {
    expect(exitCode).toBe(0);
    expect(tookMs).toBeLessThan(5_000);
  }
  await synced.expectIncomplete();
  await controllers.restart();
  await synced.untilComplete();
});

interface Sync extends AsyncDisposable {
  /** Something is still missing: what struck, struck in the middle. */
  expectIncomplete(): Promise<void>;
  untilComplete(): Promise<void>;
}

/** Starts the first sync of a hub, and returns when `k` of its entries have been written. */
async function syncUntil(k: number): Promise<Sync> {
  const tenant = await newTenant(world);
  const port = 20_000 + Number(tenant.namespace.slice(1)); // so that its buffer filter is its own
  const urls = Array.from({ length: SERVICES }, (_, index) =>
    providerUrl(`org.example.Shop${index}`, `10.42.7.${index + 1}:${port}`),
  );
  await tenant.provide(...urls);
  const webhook = await slowAdmission(world.api, tenant.namespace, WEBHOOK_MS);
  const recording = await recordEntries(world.recorder, tenant.namespace);
  await tenant.applyHub();
  const written = () => world.recorder.objects(tenant.namespace, "serviceentries").size;
  await eventually(() => expect(written()).toBeGreaterThanOrEqual(k), SOON_MS, 1);
  return {
    [Symbol.asyncDispose]: () => webhook[Symbol.asyncDispose](),
    expectIncomplete: async () => expect((await tenant.entries()).length).toBeLessThan(SERVICES),
    async untilComplete() {
      await untilReady(tenant);
      const entries = await tenant.entries();
      const hosts = new Set(entries.map(({ spec }) => spec.hosts?.[0]));
      expect(hosts.size).toBe(SERVICES);
      expect(entries).toHaveLength(SERVICES);
      expect(new Set(entries.map(({ spec }) => spec.addresses?.[0])).size).toBe(SERVICES);
      await eventually(async () => {
        const filters = await world.cluster.envoyFilters("servicemesh");
        const names = filters
          .map(({ metadata }) => metadata.name)
          .filter((name) => name.endsWith(`-${port}`));
        expect(names).toHaveLength(SERVICES + 1);
      }, SOON_MS);
      // Created once each: nothing was deleted, nothing written twice.
      expect((await recording.changes()).map(({ type }) => type)).toEqual(Array(SERVICES).fill("ADDED"));
    },
  };
}
