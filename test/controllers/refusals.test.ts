import { expect, test } from "vitest";
import { invalid } from "../fakes/api-server/answer.ts";
import { apiTypes } from "../fakes/api-server/types.ts";
import { addressesOf, listedHosts, said } from "./looks.ts";
import { home, hub, hubKey, minute, openWorld, second, type World } from "./world.ts";

const patches = { verb: "patch", resource: "serviceentries" } as const;
const count = 20;
const services = (last: number) =>
  Object.fromEntries(
    Array.from({ length: count }, (_, at) => [`demo.S${at}`, [`10.42.0.${at === 0 ? last : at}:20880`]]),
  );

/** A hub whose services have been refused for half an hour. */
async function openForbidden(): Promise<World & { readonly allow: () => void }> {
  const world = openWorld();
  world.registry().lists(services(100));
  world.person.put(hub());
  const allow = world.api.forbid(patches);
  await world.hubController.start();
  await world.advance(30 * minute);
  expect(said(world)).toMatchObject({ phase: "failed", Applied: "False Forbidden" });
  return { ...world, allow };
}

const refusedPatches = ({ api }: World): number =>
  api.writes(patches).filter(({ code }) => code === 403).length;

test("a host that is refused is tried less and less, and one line of the log tells of all for ten minutes (H21)", async () => {
  const world = await openForbidden();
  expect(refusedPatches(world)).toBeLessThanOrEqual(count * 12); // after 1 s, 2 s, 4 s, … 512 s, 600 s
  const before = refusedPatches(world);
  await world.advance(60 * minute);
  expect(refusedPatches(world) - before).toBeLessThanOrEqual(count * 7); // each ten minutes
  expect(refusedPatches(world) - before).toBeGreaterThanOrEqual(count * 5);
  const lines = world.hubController.log.filter(({ message }) => message === "object not written");
  expect(lines.filter(({ level }) => level === "warn").length).toBeLessThanOrEqual(9);
  expect(lines[0]).toMatchObject({
    level: "warn",
    fields: { namespace: home, reason: "Forbidden", verb: "apply" },
  });
});

test("the first write that goes through calls the others back at once", async () => {
  const world = await openForbidden();
  world.allow();
  await world.advance(2 * minute); // the last refusal of the one that changes is not that fresh
  if (listedHosts(world).length > 0) throw new Error("their time had come: the test proves nothing");
  world.registry().lists(services(101));
  await world.settle();
  expect(addressesOf(world, "demo.S0")).toEqual(["10.42.0.101:20880"]);
  expect(listedHosts(world)).toHaveLength(count);
});

test.each([
  [
    "an edit of the hub",
    ({ person }: World) =>
      void person.edit("registryhubs", hubKey, (one) => ({ ...one, spec: { ...one.spec, l7: false } })),
  ],
  [
    "a change of the namespace",
    ({ person }: World) =>
      void person.edit("namespaces", home, (one) => ({
        ...one,
        metadata: { ...one.metadata, annotations: { team: "red" } },
      })),
  ],
])("%s calls them back at once", async (_, change) => {
  const world = await openForbidden();
  world.allow();
  change(world);
  await world.settle();
  expect(listedHosts(world)).toHaveLength(count);
});

test("one that is refused beside others that are not is tried once a minute at most", async () => {
  const world = openWorld();
  world.registry().lists({ "demo.Good": ["10.42.0.1:20880"], "demo.Bad": ["10.42.0.2:20880"] });
  world.person.put(hub());
  const type = apiTypes.find(({ plural }) => plural === "serviceentries");
  if (type === undefined) throw new Error("no such type");
  const bad = { ...patches, name: "aeraki-demo-bad-demo" };
  world.api.refuse(bad, ({ name }) => invalid(type, name, "spec: no"));
  await world.hubController.start();
  await world.advance(30 * minute);
  const before = world.api.writes(bad).length;
  expect(before).toBeGreaterThan(0);
  for (let at = 0; at < 120; at++) {
    world.registry().set("demo.Good", ["10.42.0.1:20880", `10.42.1.${at}:20880`]);
    await world.advance(5 * second);
  }
  expect(world.api.writes(bad).length - before).toBeLessThanOrEqual(11);
  expect(addressesOf(world, "demo.Good")).toEqual(["10.42.0.1:20880", "10.42.1.119:20880"]);
});
