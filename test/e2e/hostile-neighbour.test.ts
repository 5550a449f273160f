import { expect, test } from "vitest";
import { memoryFlags } from "../support/controllers.ts";
import { eventually } from "../support/eventually.ts";
import { hostilities } from "../support/hostile-registries.ts";
import {
  endpointsOf,
  newTenant,
  providerUrl,
  quickly,
  SOON_MS,
  STATUS_MS,
  untilReady,
  useWorld,
} from "./world.ts";

/** As many changes of the innocent hub, one after the other, as the harm needs to show itself. */
const CHANGES = 12;
/** The limit of docs/operations.md for a Pod of 768 Mi. */
const heapFlags = [...memoryFlags, "--max-old-space-size=384"];

const world = useWorld({ hub: [...quickly, "--leader-elect"], hubNodeFlags: heapFlags });

test.each(hostilities)("$name hurts no other hub", async ({ start, told }) => {
  if (!world.controllers.hub.isRunning()) await world.controllers.hub.restart(); // the harm before this one ended it
  const innocent = await newTenant(world);
  const url = (last: number): string => providerUrl("org.example.Innocent", `10.42.9.${last}:20880`);
  await innocent.provide(url(1));
  await innocent.applyHub();
  await untilReady(innocent);
  const { leaseTransitions } = (await lease()).spec;
  await using registry = await start();
  const hostile = await newTenant(world);
  await hostile.applyHub(registry.spec);

  for (let last = 2; last < CHANGES; last++) {
    await innocent.provide(url(last));
    await eventually(async () => {
      const [entry] = await innocent.entries();
      expect(entry && endpointsOf(entry)).toContain(`10.42.9.${last}:20880`);
    }, SOON_MS);
  }

  await eventually(async () => {
    const { status } = await hostile.hub();
    expect(status?.phase).not.toBe("pending");
    expect(JSON.stringify([status?.problems, status?.conditions])).toMatch(told);
  }, STATUS_MS);
  expect(world.controllers.hub.isRunning()).toBe(true);
  expect((await lease()).spec.leaseTransitions).toBe(leaseTransitions);
  await world.api.kubectl(["-n", hostile.namespace, "delete", "registryhub", "hub"]);
});

interface Lease {
  readonly spec: { readonly leaseTransitions?: number };
}

async function lease(): Promise<Lease> {
  const name = ["-n", "servicemesh", "get", "lease", "registryhub", "-o", "json"];
  return JSON.parse(await world.api.kubectl(name)) as Lease;
}
