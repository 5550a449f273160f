import { beforeEach, describe, expect, test, vi } from "vitest";
import type { Service } from "../../src/model/service.ts";
import { serviceOf } from "../fakes/registries.ts";
import { addressesOf, entryOf, filtersOf, listedHosts, messageOf, said, warningsOf } from "./looks.ts";
import { hostsOf, openSettled, two } from "./scenes.ts";
import { home, hour, hub, hubKey, minute, openWorld, rootNamespace, second, type World } from "./world.ts";

// Bugs of the operator: each function below throws when it works on a thing with this word in its name.
const poison = "poison";
const bugs = vi.hoisted(() => ({ areThere: true }));
beforeEach(() => {
  bugs.areThere = true;
});
const stumble = vi.hoisted(() => (over: string | undefined) => {
  if (bugs.areThere && over?.includes("poison")) throw new TypeError("secret-canary is not a function");
});

vi.mock(import("../../src/plan/host.ts"), async (original) => {
  const { planHost, ...rest } = await original();
  const buggy: typeof planHost = (input) => {
    stumble(input.host);
    return planHost(input);
  };
  return { ...rest, planHost: buggy };
});
vi.mock(import("../../src/plan/trust.ts"), async (original) => {
  const { step, ...rest } = await original();
  const buggy: typeof step = (state, event, now) => {
    if (event.type === "due" && state.origin === "late") stumble(poison);
    return step(state, event, now);
  };
  return { ...rest, step: buggy };
});
vi.mock(import("../../src/status/hub-status.ts"), async (original) => {
  const { hubStatusOf, ...rest } = await original();
  const buggy: typeof hubStatusOf = (view, now) => {
    stumble(view.origin);
    return hubStatusOf(view, now);
  };
  return { ...rest, hubStatusOf: buggy };
});
vi.mock(import("../../src/translate/envoy-filter.ts"), async (original) => {
  const { outboundFilter, ...rest } = await original();
  const buggy: typeof outboundFilter = (route, namespace) => {
    stumble(route.interface);
    return outboundFilter(route, namespace);
  };
  return { ...rest, outboundFilter: buggy };
});
vi.mock(import("../../src/translate/read-back/service-entry.ts"), async (original) => {
  const { factsOf, ...rest } = await original();
  const buggy: typeof factsOf = (object) => {
    stumble(object.metadata.labels?.team);
    return factsOf(object);
  };
  return { ...rest, factsOf: buggy };
});

vi.mock(import("../../src/translate/read-back/hub.ts"), async (original) => {
  const { readHub, ...rest } = await original();
  const buggy: typeof readHub = (object) => {
    stumble(object.metadata.labels?.team);
    return readHub(object);
  };
  return { ...rest, readHub: buggy };
});
vi.mock(import("../../src/translate/read-back/envoy-filter.ts"), async (original) => {
  const { filterFactsOf, ...rest } = await original();
  const buggy: typeof filterFactsOf = (object) => {
    stumble(object.metadata.labels?.team);
    return filterFactsOf(object);
  };
  return { ...rest, filterFactsOf: buggy };
});

const bug = new TypeError("secret-canary is not a function");

/** A hub and an innocent one beside it, whose registry lists two services. */
async function openBoth(): Promise<World> {
  const world = await openSettled({ services: { "demo.X": ["10.42.0.7:20880"] } });
  world.registry("other:2181").lists(two);
  world.person.put(hub({ address: "other:2181" }, { name: "innocent" }));
  await world.advance(1 * minute);
  return world;
}

/** The bugs that the controller reported, without the time and the stack. */
const reports = ({ hubController, dubboController }: World) =>
  [...hubController.log, ...dubboController.log]
    .filter(({ level }) => level === "error")
    .map(({ message, fields: { about, error } }) => ({ message, about, isBug: error instanceof TypeError }));
const report = (about: string) => ({ message: "internal error", about, isBug: true });
const notes = (world: World) =>
  world.api.writes({ resource: "events" }).map(({ body }) => JSON.stringify(body));

describe("a bug in the reader of a registry", () => {
  test("fails that hub and no other; its entries stay, and nothing shows the text of the bug", async () => {
    const world = await openBoth();
    world.registry().haveBug(bug);
    await world.advance(1 * minute);
    expect(said(world)).toMatchObject({
      phase: "failed",
      RegistrySynced: "False InternalError",
      Ready: "False InternalError",
    });
    world.registry("other:2181").set("demo.A", ["10.42.0.9:20880"]);
    await world.advance(1 * hour);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.9:20880"]);
    expect(addressesOf(world, "demo.X")).toEqual(["10.42.0.7:20880"]);
    expect(said(world, `${home}/innocent`)).toMatchObject({ phase: "success" });
    expect(messageOf(world, "RegistrySynced")).toMatch(/TypeError.*"internal error" of the operator's log/);
    expect(JSON.stringify([world.person.list("registryhubs"), notes(world)])).not.toContain("secret-canary");
  });

  test("is reported: a line with the stack, a metric, and an Event an hour", async () => {
    const world = await openBoth();
    world.registry().haveBug(bug);
    await world.settle();
    expect(reports(world)[0]).toEqual(report("hub"));
    expect(await world.hubController.metrics()).toContain('registryhub_internal_errors_total{about="hub"} 1');
    await world.advance(1 * second);
    expect(warningsOf(world)).toContain("RegistryHub hub: InternalError");
    await world.advance(3 * hour + 15 * minute);
    expect(notes(world).filter((note) => note.includes("InternalError"))).toHaveLength(4);
  });

  test("is tried again after 1 s, then ever more rarely, up to 5 min", async () => {
    const world = await openBoth();
    const { opened } = world.registry();
    const before = opened.length;
    world.registry().haveBug(bug);
    const triesIn = async (ms: number): Promise<number> => {
      const had = opened.length;
      await world.advance(ms);
      return opened.length - had;
    };
    await world.advance(63 * second);
    expect(opened.length - before).toBe(6); // 1, 2, 4, 8, 16 and 32 s after each other
    await world.advance(30 * minute);
    expect(await triesIn(50 * minute)).toBe(10);
    world.registry().heal();
    world.registry().set("demo.X", ["10.42.0.7:20880", "10.42.0.8:20880"]);
    await world.advance(5 * minute);
    expect(said(world)).toMatchObject({ phase: "success", RegistrySynced: "True Synced" });
    expect(addressesOf(world, "demo.X")).toEqual(["10.42.0.7:20880", "10.42.0.8:20880"]);
  });

  test("is tried again at once after an edit", async () => {
    const world = await openBoth();
    world.registry().haveBug(bug);
    await world.advance(1 * hour);
    world.registry("new:2181").lists({ "demo.X": ["10.42.0.8:20880"] });
    world.person.edit("registryhubs", hubKey, (object) => ({
      ...object,
      spec: { ...object.spec, address: "new:2181" },
    }));
    await world.advance(2 * second);
    expect(said(world)).toMatchObject({ phase: "success", RegistrySynced: "True Synced" });
  });

  test("ends with the hub: nothing is tried for one that is deleted", async () => {
    const world = await openBoth();
    world.registry().haveBug(bug);
    await world.advance(1 * second);
    world.person.delete("registryhubs", hubKey);
    await world.advance(1 * second);
    const tries = world.registry().opened.length;
    await world.advance(1 * hour);
    expect(world.registry().opened).toHaveLength(tries);
    expect(listedHosts(world)).toEqual(hostsOf(two));
  });
});

test("a bug in taking in a hub fails that hub; once it is gone the hub works", async () => {
  const world = openWorld();
  world.registry().lists(two);
  world.person.put(hub({}, { name: "odd", labels: { team: poison } }));
  world.person.put(hub());
  await world.hubController.start();
  await world.advance(1 * minute);
  expect(said(world, `${home}/odd`)).toMatchObject({
    phase: "failed",
    RegistrySynced: "False InternalError",
  });
  expect(said(world)).toMatchObject({ phase: "success" });
  expect(reports(world)[0]).toEqual(report("hub"));
  bugs.areThere = false;
  await world.advance(5 * minute);
  expect(said(world, `${home}/odd`)).toMatchObject({ phase: "success" });
});

test("a bug in a timer of a hub fails that hub and no other", async () => {
  const world = openWorld();
  world.registry().describe({ origin: "late" });
  world.registry().lists({ "demo.X": ["10.42.0.7:20880"] });
  world.registry("other:2181").lists(two);
  world.person.put(hub());
  world.person.put(hub({ address: "other:2181" }, { name: "innocent" }));
  await world.hubController.start();
  await world.advance(59 * second);
  expect(said(world)).toMatchObject({ phase: "success" });
  await world.advance(2 * second); // settling ends
  expect(said(world)).toMatchObject({ phase: "failed", RegistrySynced: "False InternalError" });
  expect(said(world, `${home}/innocent`)).toMatchObject({
    phase: "success",
    DeletionHeld: "False NothingHeld",
  });
  bugs.areThere = false;
  await world.advance(5 * minute);
  expect(said(world)).toMatchObject({ phase: "success", DeletionHeld: "False NothingHeld" });
});

test("a bug in taking in a listing fails that hub; once the listing is another it works", async () => {
  const world = await openBoth();
  const odd = { ...serviceOf("demo.Y", ["10.42.0.6:20880"]), instances: [{} as never] } satisfies Service;
  world.registry().listsServices([odd]);
  await world.advance(1 * minute);
  expect(said(world)).toMatchObject({ phase: "failed", RegistrySynced: "False InternalError" });
  expect(said(world, `${home}/innocent`)).toMatchObject({ phase: "success" });
  expect(addressesOf(world, "demo.X")).toEqual(["10.42.0.7:20880"]);
  world.registry().lists({ "demo.X": ["10.42.0.8:20880"] });
  await world.advance(5 * minute);
  expect(said(world)).toMatchObject({ phase: "success", Ready: "True Ready" });
  expect(addressesOf(world, "demo.X")).toEqual(["10.42.0.8:20880"]);
});

test("a bug in planning a host blocks that host: its hubs say so, all others are written, and it follows by itself", async () => {
  const world = openWorld();
  world.registry().lists({ ...two, [`demo.${poison}`]: ["10.42.0.7:20880"] });
  world.person.put(hub());
  await world.hubController.start();
  await world.advance(1 * minute);
  expect(listedHosts(world)).toEqual(hostsOf(two));
  expect(said(world)).toMatchObject({ phase: "failed", Applied: "False InternalError" });
  expect(messageOf(world, "Applied")).not.toContain("secret-canary");
  expect(reports(world)[0]).toEqual(report("host"));
  world.registry().set("demo.A", ["10.42.0.9:20880"]);
  await world.advance(2 * minute);
  expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.9:20880"]);
  bugs.areThere = false;
  await world.advance(2 * minute);
  expect(addressesOf(world, `demo.${poison}`)).toEqual(["10.42.0.7:20880"]);
  expect(said(world)).toMatchObject({ phase: "success", Applied: "True Applied" });
});

test("a bug in a hub's status leaves the hub working, and the status to be written later", async () => {
  const world = openWorld();
  world.registry().describe({ origin: poison });
  world.registry().lists(two);
  world.person.put(hub());
  await world.hubController.start();
  await world.advance(1 * minute);
  expect(listedHosts(world)).toEqual(hostsOf(two));
  expect(reports(world)[0]).toEqual(report("status"));
  bugs.areThere = false;
  await world.advance(2 * minute);
  expect(said(world)).toMatchObject({ phase: "success" });
});

describe("a bug in taking in a ServiceEntry", () => {
  const odd = {
    apiVersion: "networking.istio.io/v1beta1",
    kind: "ServiceEntry",
    metadata: { namespace: home, name: "odd", labels: { team: poison } },
    spec: { hosts: ["odd.demo"] },
  };

  test("leaves all other hosts and filters working", async () => {
    const world = openWorld();
    world.registry().lists(two);
    world.person.put(odd);
    world.person.put(hub());
    await world.hubController.start();
    await world.dubboController.start();
    await world.advance(1 * minute);
    expect(listedHosts(world)).toEqual(hostsOf(two));
    expect(filtersOf(world)).toHaveLength(3);
    expect(reports(world)).toEqual([report("object"), report("object")]);
  });

  test("leaves its name to it", async () => {
    const world = openWorld();
    world.registry().lists(two);
    world.person.put({ ...odd, metadata: { ...odd.metadata, name: "aeraki-demo-a-demo" } });
    world.person.put(hub());
    await world.hubController.start();
    await world.advance(1 * minute);
    expect(world.person.get("serviceentries", `${home}/aeraki-demo-a-demo`)?.spec).toEqual(odd.spec);
    expect(entryOf(world, "demo.A")?.metadata.name).toMatch(/^aeraki-demo-a-demo-[0-9a-f]{8}$/);
  });
});

test("a bug in taking in a filter leaves that filter, and all others, as they are", async () => {
  const world = openWorld();
  world.registry().lists(two);
  const metadata = { namespace: rootNamespace, name: "odd", labels: { team: poison } };
  world.person.put({ apiVersion: "networking.istio.io/v1alpha3", kind: "EnvoyFilter", metadata, spec: {} });
  world.person.put(hub());
  await world.hubController.start();
  await world.dubboController.start();
  await world.advance(1 * minute);
  expect(filtersOf(world)).toHaveLength(4);
  expect(reports(world)[0]).toEqual(report("object"));
});

test("a bug in a filter leaves all other filters working", async () => {
  const world = openWorld();
  world.registry().lists({ ...two, [`demo.${poison}`]: ["10.42.0.7:20880"] });
  bugs.areThere = false;
  world.person.put(hub());
  await world.hubController.start();
  await world.advance(1 * minute);
  bugs.areThere = true;
  await world.dubboController.start();
  await world.advance(1 * minute);
  expect(filtersOf(world)).toHaveLength(3);
  expect(reports(world)[0]).toEqual(report("filter"));
  bugs.areThere = false;
  await world.advance(2 * minute);
  expect(filtersOf(world)).toHaveLength(4);
});
