import { expect, test } from "vitest";
import { hubIdOf } from "../../src/translate/names.ts";
import { eventually } from "../support/eventually.ts";
import { recordEntries } from "./recording.ts";
import {
  conditionOf,
  endpointsOf,
  newTenant,
  providerUrl,
  quickly,
  SOON_MS,
  STATUS_MS,
  untilReady,
  useWorld,
} from "./world.ts";

const world = useWorld({ hub: [...quickly, "--allow-cross-namespace=false"] });

/** Their ids are equal. It takes minutes to find such a name for a hub that one wants to harm. */
const [victim, namesake] = [
  { namespace: "good", name: "hub-73159" },
  { namespace: "evil", name: "x-1gm" },
] as const;

test("a hub with the id of another one touches nothing of it, and gets its turn when that one is gone", async () => {
  expect(hubIdOf("evil/x-1gm")).toBe(hubIdOf("good/hub-73159"));
  const good = await newTenant(world, victim.namespace);
  await good.provide(
    providerUrl("org.example.A", "10.42.9.1:20880"),
    providerUrl("org.example.B", "10.42.9.2:20880"),
  );
  await good.applyHub({}, victim.name);
  await untilReady(good, victim);
  const recording = await recordEntries(world.recorder, good.namespace);

  const evil = await newTenant(world, namesake.namespace);
  const other = providerUrl("org.example.Mine", "10.42.9.3:20880");
  await evil.applyHub({ zookeeper: { root: "/nothing" } }, namesake.name);

  // A younger hub settles, and its service goes: by then the first one would have removed what it could.
  const [node = ""] = await evil.provide(other);
  await evil.applyHub({}, "clock");
  await untilReady(evil, { name: "clock" });
  await world.writer.delete(node);
  await eventually(async () => expect(await evil.entries()).toEqual([]), STATUS_MS);
  expect(await recording.changes()).toEqual([]);
  expect((await good.entries()).map(endpointsOf)).toEqual([["10.42.9.1:20880"], ["10.42.9.2:20880"]]);
  await untilReady(good, victim);
  await eventually(async () => {
    const ready = conditionOf(await evil.hub(namesake.name), "Ready");
    expect(ready).toMatchObject({ status: "False", reason: "InvalidSpec" });
    expect(ready.message).toContain("Rename the hub");
  }, STATUS_MS);

  await world.api.kubectl(["delete", "registryhub", victim.name, "-n", good.namespace]);
  await untilReady(evil, namesake);
  await eventually(async () => expect(await good.entries()).toEqual([]), SOON_MS);
});
