import { describe, expect, test } from "vitest";
import type { ServiceEntry } from "../../src/model/istio.ts";
import type { ServiceInstance } from "../../src/model/service.ts";
import { addressesOf, entryOf, listedHosts, said, statusOf } from "./looks.ts";
import { edit, hostsOf, openSettled, type Services } from "./scenes.ts";
import { home, hub, hubKey, minute, openWorld, second, type World } from "./world.ts";

const entries = { resource: "serviceentries" } as const;
const eureka = "http://eureka:8761/eureka";

const instance = (at: number, metadata: ServiceInstance["metadata"] = {}): ServiceInstance => ({
  address: `10.42.${at >> 8}.${at & 255}`,
  port: 9_000,
  protocol: "tcp",
  version: "",
  group: "",
  metadata,
});
const keys = (count: number, value = "v"): ServiceInstance["metadata"] =>
  Object.fromEntries(Array.from({ length: count }, (_, at) => [`key-${at}`, value]));
const range = (from: number, to: number): readonly number[] =>
  Array.from({ length: to - from }, (_, at) => from + at);

/** A hub of a Eureka that has been listed long enough to be believed. */
async function openEureka(
  pay: readonly ServiceInstance[],
): Promise<World & { readonly lists: typeof lists }> {
  const world = openWorld();
  const lists = (next: readonly ServiceInstance[]): void =>
    world.registry(eureka).lists({ PAY: next }, "spring");
  lists(pay);
  world.person.put(hub({ type: "eureka", address: eureka }));
  await world.hubController.start();
  await world.advance(10 * minute);
  return { ...world, lists };
}

const sizesOf = (world: World, since = 0): readonly number[] =>
  world.api
    .writes(entries)
    .slice(since)
    .map(({ body }) => JSON.stringify(body).length);
const labelsOf = (world: World) =>
  (entryOf(world, "PAY") as ServiceEntry).spec.endpoints?.map(({ labels = {} }) => labels) ?? [];
const codesOf = (world: World): readonly string[] =>
  statusOf(world).problems.map(({ problem }) => problem.split(":")[0] ?? "");

describe("what instances register about themselves", () => {
  test("never freezes their service: one with 300 keys is in, and a dead one is out (I10)", async () => {
    const world = await openEureka([instance(1), instance(2)]);
    world.lists([instance(2), instance(9, keys(300))]);
    await world.advance(10 * second);
    expect(addressesOf(world, "PAY")).toEqual(["10.42.0.2:9000", "10.42.0.9:9000"]);
    for (const labels of labelsOf(world)) expect(Object.keys(labels).length).toBeLessThanOrEqual(32);
    expect(codesOf(world)).toEqual(["TooManyLabels"]);
    expect(said(world)).toMatchObject({ phase: "success", Applied: "True Applied" });
  });

  test("never makes an entry that etcd refuses: labels go first, and no instance (I10)", async () => {
    const world = await openEureka([]);
    world.lists(range(0, 1_000).map((at) => instance(at, keys(28, "x".repeat(45)))));
    await world.advance(minute);
    expect(addressesOf(world, "PAY")).toHaveLength(1_000);
    expect(Math.max(...sizesOf(world))).toBeLessThan(1_200_000);
    expect(labelsOf(world)[0]).toEqual({
      eurekaName: "PAY",
      registryName: "hub",
      "ecns.easystack.cn/by": expect.any(String),
    });
    expect(codesOf(world)).toEqual(["TooManyLabels"]);
    const { length: written } = world.writes();
    await world.hubController.restart();
    await world.advance(10 * minute);
    expect(world.writes(written).filter(({ resource }) => resource === "serviceentries")).toEqual([]);
  });

  test("is no label if it looks like a secret (I12)", async () => {
    const world = await openEureka([
      instance(1, {
        "user.name": "admin",
        "user.password": "hunter2",
        accessToken: "hunter2",
        "api-key": "hunter2",
      }),
    ]);
    expect(labelsOf(world)[0]).toHaveProperty(["user.name"], "admin");
    expect(JSON.stringify(world.person.list("serviceentries", home))).not.toContain("hunter2");
  });
});

describe("a hub with more services than it may have", () => {
  const services = (...numbers: readonly number[]): Services =>
    Object.fromEntries(numbers.map((at) => [`demo.S${at}`, [`10.42.0.${at}:20880`]]));
  const options = { maxServicesPerHub: 4 };

  test("has the first by name, says so, and takes in others when there is room (I4)", async () => {
    const world = await openSettled({ services: services(1, 2, 3, 4, 5, 6), options });
    expect(listedHosts(world)).toEqual(hostsOf(services(1, 2, 3, 4)));
    expect(codesOf(world)).toEqual(["TooManyServices"]);
    expect(said(world)).toMatchObject({ phase: "success", DeletionHeld: "False NothingHeld" });
    world.registry().lists(services(2, 3, 4, 5, 6));
    await world.advance(9 * minute);
    expect(listedHosts(world)).toEqual(hostsOf(services(2, 3, 4))); // the entry of S1 has its grace
    await world.advance(2 * minute);
    expect(listedHosts(world)).toEqual(hostsOf(services(2, 3, 4, 5)));
    world.registry().lists(services(2, 3, 4, 5));
    await world.advance(minute);
    expect(codesOf(world)).toEqual([]);
  });

  test("loses nothing when the number is lowered, and what it has follows the registry (I4)", async () => {
    const world = await openSettled({ services: services(1, 2, 3, 4, 5, 6) });
    await world.hubController.restart({ maxServicesPerHub: 2 });
    await world.advance(20 * minute);
    expect(listedHosts(world)).toEqual(hostsOf(services(1, 2, 3, 4, 5, 6)));
    world.registry().lists({ ...services(1, 2, 3, 4, 6, 7), "demo.S5": ["10.42.0.55:20880"] });
    await world.advance(minute);
    expect(addressesOf(world, "demo.S5")).toEqual(["10.42.0.55:20880"]);
    expect(listedHosts(world)).toEqual(hostsOf(services(1, 2, 3, 4, 5, 6)));
    expect(statusOf(world).problems.map(({ problem }) => problem)).toEqual([
      expect.stringMatching(/^TooManyServices: --max-services-per-hub allows 2, so 1 more are left out/),
    ]);
  });

  test.each([4, 2])(
    "takes all of four services along to another target, where it may have %d",
    async (most) => {
      const world = await openSettled({ services: services(1, 2, 3, 4), options });
      world.person.createNamespace("elsewhere");
      await world.hubController.restart({ maxServicesPerHub: most });
      await world.advance(2 * minute);
      edit(world, { generate_to: "elsewhere" });
      const had = hostsOf(services(1, 2, 3, 4)).map((host) => host.slice(0, -".demo".length));
      const served = (): readonly string[] =>
        [home, "elsewhere"].flatMap((namespace) =>
          listedHosts(world, namespace).map((host) => host.slice(0, -namespace.length - 1)),
        );
      for (let at = 0; at < 20; at++) {
        await world.advance(minute);
        expect(served()).toEqual(expect.arrayContaining([...had]));
      }
      expect([listedHosts(world, home), listedHosts(world, "elsewhere")]).toEqual([
        [],
        had.map((host) => `${host}.elsewhere`),
      ]);
      expect(codesOf(world)).toEqual([]);
    },
  );

  test("is braked by what it has, not by what is left out (I4)", async () => {
    const all = range(1, 41);
    const world = await openSettled({ services: services(...all), options: { maxServicesPerHub: 8 } });
    const had = listedHosts(world);
    const goes = had.map((host) => Number(host.slice("demo.s".length).split(".")[0])).slice(0, 5);
    world.registry().lists(services(...all.filter((at) => !goes.includes(at))));
    await world.advance(second);
    expect(listedHosts(world)).toEqual(had); // five of eight, though only of forty
    expect(said(world).DeletionHeld).toBe("True Shrunk");
    await world.advance(6 * minute);
    expect(said(world).DeletionHeld).toBe("False NothingHeld");
    const now = new Set(listedHosts(world));
    const left = all.filter((at) => !now.has(`demo.s${at}.demo`) || goes.includes(at));
    world.registry().lists(services(...all.filter((at) => !left.includes(at)))); // all that are left out go
    await world.advance(second);
    expect(said(world).DeletionHeld).toBe("False NothingHeld");
  });

  test("keeps an entry that somebody restores, and takes it in (I4)", async () => {
    const world = await openSettled({
      services: services(1, 2, 3, 4, 5, 6),
      options: { maxServicesPerHub: 6 },
    });
    const saved = entryOf(world, "demo.S6");
    if (saved === undefined) throw new Error("there is no entry");
    await world.hubController.stop();
    world.person.delete("serviceentries", `${home}/${saved.metadata.name}`);
    await world.hubController.start(options);
    await world.advance(5 * minute);
    expect(entryOf(world, "demo.S6")).toBeUndefined();
    const { uid: _, resourceVersion: __, ...metadata } = saved.metadata;
    world.person.put({ ...saved, metadata });
    await world.advance(5 * minute);
    expect(addressesOf(world, "demo.S6")).toEqual(["10.42.0.6:20880"]);
    world.registry().set("demo.S6", ["10.42.0.66:20880"]);
    await world.advance(5 * second);
    expect(addressesOf(world, "demo.S6")).toEqual(["10.42.0.66:20880"]);
  });
});

describe("the writes of one host", () => {
  const count = 2_000;
  const pods = (from: number, to: number) =>
    range(from, to).map((at) => instance(at, keys(8, "v".repeat(20))));

  test("cost 200 kB/s while 2,000 instances restart, and the last state is right within 10 s (I11)", async () => {
    const world = await openEureka(pods(0, count));
    const before = sizesOf(world).length;
    const seconds = 60;
    for (const step of range(1, seconds + 1)) {
      world.lists(pods(4 * step, count + 4 * step));
      await world.advance(second);
      expect(said(world).Applied).toBe("True Applied");
    }
    const sizes = sizesOf(world, before);
    const [first = 0] = sizes;
    expect(first).toBeGreaterThan(400_000);
    const written = sizes.reduce((sum, size) => sum + size, 0);
    expect(written).toBeLessThanOrEqual(first + seconds * 200_000);
    expect(written).toBeGreaterThan((seconds * 200_000) / 2);
    await world.advance(10 * second);
    const last = range(4 * seconds, count + 4 * seconds).map((at) => `${instance(at).address}:9000`);
    expect(addressesOf(world, "PAY")?.toSorted()).toEqual(last.toSorted());
    expect(await world.hubController.metrics()).toMatch(
      /registryhub_written_bytes_total\{kind="ServiceEntry"\} \d{7,}/,
    );
    const { length: end } = sizesOf(world);
    await world.advance(minute);
    expect(sizesOf(world).length).toBe(end);
  }, 60_000);

  test("are as fast as ever while the entry is small", async () => {
    const world = await openEureka(range(0, 20).map((at) => instance(at)));
    const { length: before } = sizesOf(world);
    for (const step of range(1, 11)) {
      world.lists(range(step, 20 + step).map((at) => instance(at)));
      await world.settle();
    }
    expect(sizesOf(world, before)).toHaveLength(10);
  });

  test("say Syncing when a paced one is late, because nobody takes it", async () => {
    const world = await openEureka(pods(0, count));
    world.lists(pods(1, count + 1));
    await world.settle();
    world.lists(pods(2, count + 2));
    const release = world.api.hold({ ...entries, verb: "patch" });
    await world.advance(6 * second);
    expect(said(world).Applied).toBe("True Applied");
    await world.advance(6 * second);
    expect(said(world).Applied).toBe("Unknown Syncing");
    release.open();
    await world.advance(5 * second);
    expect([said(world, hubKey).Applied, addressesOf(world, "PAY")?.length]).toEqual(["True Applied", count]);
  });
});
