import { expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { slowAdmission } from "./slow-admission.ts";
import { endpointsOf, newTenant, providerUrl, SOON_MS, type Tenant, untilReady, useWorld } from "./world.ts";

const CROWD = 200;
const WEBHOOK_MS = 1_000;

const world = useWorld();

test("an admission webhook that is slow for one namespace delays no other (I3)", async () => {
  const [slow, quick] = [await newTenant(world), await newTenant(world)];
  await using _webhook = await slowAdmission(world.api, slow.namespace, WEBHOOK_MS);
  await quick.provide(shopUrl("Quick", 1));
  await quick.applyHub();
  await untilReady(quick);
  await slow.provide(...Array.from({ length: CROWD }, (_, at) => shopUrl(`Slow${at}`, at % 250)));
  await slow.applyHub();
  await eventually(async () => expect(await slow.entries()).not.toHaveLength(0), SOON_MS);

  await quick.provide(shopUrl("Quick", 2));
  await eventually(async () => expect(await endpoints(quick)).toHaveLength(2), SOON_MS);
  // In one line with the others its write would have come after all of theirs; on an idle machine it is there before ten are.
  expect((await slow.entries()).length).toBeLessThan(CROWD / 2);
});

const shopUrl = (shop: string, last: number): string =>
  providerUrl(`org.example.${shop}`, `10.42.5.${last}:20880`);

const endpoints = async (tenant: Tenant): Promise<readonly string[]> =>
  (await tenant.entries()).flatMap(endpointsOf);
