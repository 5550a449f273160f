import { describe, expect, test } from "vitest";
import { hubsAnswer } from "../../src/cli/page/hubs.ts";
import { serviceAnswer } from "../../src/cli/page/service.ts";
import { servicesAnswer, servicesAsked } from "../../src/cli/page/services.ts";
import { atOnce } from "../../src/runtime/slices.ts";
import { edit, openSettled, ten, two, without } from "./scenes.ts";
import { home, hub, hubKey, minute, openWorld, second, type World } from "./world.ts";

const hubsOf = ({ hubController, clock }: World, asked = "") =>
  atOnce(hubsAnswer(hubController.source().knowledge, asked, "pod_1", clock.now()));
const servicesOf = ({ hubController }: World, query = "") =>
  atOnce(servicesAnswer(hubController.source().knowledge, servicesAsked(new URLSearchParams(query))));
const serviceOf = ({ hubController }: World, host: string) =>
  atOnce(serviceAnswer(hubController.source().knowledge, host));
const hostsIn = (world: World, query = "") => servicesOf(world, query).services.map(({ host }) => host);

/** As `kubectl label --overwrite`. */
const move = ({ person }: World, name: string, lane: string): void =>
  void person.edit("registryhubs", `${home}/${name}`, ({ metadata, ...rest }) => ({
    ...rest,
    metadata: { ...metadata, labels: { lane } },
  }));

describe("the page's hubs", () => {
  test("are as their statuses say", async () => {
    const world = await openSettled();
    const { hubs, identity } = hubsOf(world);
    expect(identity).toBe("pod_1");
    expect(hubs).toMatchObject([
      {
        key: hubKey,
        type: "zookeeper",
        services: 2,
        endpoints: 2,
        isFine: true,
        reason: "Ready",
        endOfHold: "",
      },
    ]);
  });

  test("begin with those that need a look, and say what to do about a hold", async () => {
    const world = await openSettled({ services: ten });
    world.person.put(hub({ address: "other:2181" }, { name: "a-fine-one" }));
    await world.advance(2 * minute);
    world.registry().lists(without(ten, 9));
    await world.advance(2 * second);
    const [first, second_] = hubsOf(world).hubs;
    expect(first).toMatchObject({ key: hubKey, isFine: false, held: { reason: "Shrunk", services: 9 } });
    expect(first?.endOfHold).toMatch(
      /^wait until \S+, or: kubectl annotate --overwrite registryhub -n demo hub /,
    );
    expect(second_).toMatchObject({ key: "demo/a-fine-one", isFine: true });
  });

  test("are at most 500, and have problems only where somebody asks for them", async () => {
    const world = openWorld();
    for (let at = 0; at < 600; at++)
      world.person.put(hub({ type: "no" as never }, { name: `odd-${String(at).padStart(3, "0")}` }));
    world.person.put(hub({}, { name: "aaa" }));
    world.registry().lists({ "demo.A": ["300.1.1.1:20880"] });
    await world.hubController.start();
    await world.advance(1 * minute);
    const answer = hubsOf(world, "demo/aaa");
    expect(answer).toMatchObject({ total: 601, bad: 600 });
    expect(answer.hubs).toHaveLength(500);
    expect(answer.hubs[0]).not.toHaveProperty("problems");
    expect(answer.hubs.every(({ isFine }) => !isFine)).toBe(true);
    expect(answer.hub).toMatchObject({
      key: "demo/aaa",
      problemCount: 1,
      problems: [{ code: "BadAddress" }],
    });
    expect(hubsOf(world, "demo/nobody").hub).toBeUndefined();
  });

  test("show no login that somebody wrote into an address", async () => {
    const world = await openSettled();
    edit(world, { address: "http://admin:S3cret@registry:8848;token=S3cret?token=S3cret", type: "nacos" });
    await world.advance(2 * second);
    const answer = hubsOf(world);
    expect(answer.hubs[0]?.address).toBe("registry:8848");
    expect(JSON.stringify(answer)).not.toContain("S3cret");
  });

  test("are those of a stored status of any kind", async () => {
    const world = await openSettled();
    world.person.put({
      ...hub({}, { name: "odd" }),
      status: { conditions: 7, problems: [null], hold: "no" },
    } as never);
    await world.settle();
    expect(
      hubsOf(world)
        .hubs.map(({ key }) => key)
        .sort(),
    ).toEqual([hubKey, "demo/odd"]);
  });
});

describe("the page's services", () => {
  test("are those of all hubs, or of one", async () => {
    const world = await openSettled();
    world.registry("zk2:2181").lists({ "demo.A": ["10.42.0.7:20880"], "demo.Z": ["10.42.0.8:20880"] });
    world.person.put(hub({ address: "zk2:2181" }, { name: "second" }));
    await world.advance(2 * minute);
    expect(servicesOf(world)).toMatchObject({ total: 3, found: 3 });
    expect(servicesOf(world).services).toContainEqual({
      host: "demo/demo.a.demo",
      service: "demo.A",
      name: "aeraki-demo-a-demo",
      state: "fine",
      vip: expect.stringMatching(/^240\.241\./),
      protocol: "dubbo",
      port: 20880,
      endpoints: 2,
      hubs: [hubKey, "demo/second"],
    });
    expect(hostsIn(world, "hub=demo/second")).toEqual(["demo/demo.a.demo", "demo/demo.z.demo"]);
    expect(servicesOf(world, "hub=demo/second").services[0]?.hubs).toEqual([hubKey, "demo/second"]);
    expect(hostsIn(world, "hub=demo/nobody")).toEqual([]);
  });

  test("are found by a part of the host, the name in any case, and an endpoint's address", async () => {
    const world = await openSettled({ services: ten });
    expect(hostsIn(world, "search=S3.demo")).toEqual(["demo/demo.s3.demo"]);
    expect(hostsIn(world, "search=demo.S3")).toEqual(["demo/demo.s3.demo"]);
    expect(hostsIn(world, "search=10.42.0.4:20")).toEqual(["demo/demo.s3.demo"]);
    expect(hostsIn(world, "search=240.241.")).toHaveLength(10);
    expect(servicesOf(world, "search=nothing")).toEqual({ total: 10, found: 0, services: [] });
  });

  test("are found by their state", async () => {
    const world = await openSettled({ services: ten });
    world.registry().lists(without(ten, 9));
    await world.advance(2 * second);
    expect(hostsIn(world, "state=held")).toHaveLength(9);
    expect(hostsIn(world, "state=fine")).toEqual(["demo/demo.s9.demo"]);
    await world.advance(6 * minute);
    expect(hostsIn(world, "state=empty")).toHaveLength(9);
    expect(hostsIn(world, "state=odd")).toHaveLength(10);
  });

  test("are the first 500, and say how many there are", async () => {
    const names = Array.from({ length: 700 }, (_, at) => `demo.S${at}`);
    const services = Object.fromEntries(
      names.map((name, at) => [name, [`10.42.${at >> 8}.${at & 255}:20880`]]),
    );
    const world = await openSettled({ services });
    const { total, found, services: shown } = servicesOf(world);
    expect([total, found, shown.length]).toEqual([700, 700, 500]);
    expect(servicesOf(world, "search=s69")).toMatchObject({ total: 700, found: 11 });
  });
});

describe("one service", () => {
  test("has its endpoints, and who vouches for them", async () => {
    const world = await openSettled();
    expect(serviceOf(world, "demo/demo.a.demo")).toMatchObject({
      name: "aeraki-demo-a-demo",
      kind: "dubbo",
      protocol: "dubbo",
      hubs: [hubKey],
      endpointCount: 1,
      endpoints: [
        { endpoint: "10.42.0.1:20880", hubs: [hubKey], weight: 1, mtls: false, state: "listed", why: "" },
      ],
    });
    expect(serviceOf(world, `${home}/nobody.demo`)).toBeNull();
    expect(serviceOf(world, "")).toBeNull();
  });

  test("says why an endpoint stays that is not listed", async () => {
    const world = await openSettled({ services: ten });
    world.registry().lists(without(ten, 9));
    await world.advance(2 * second);
    expect(serviceOf(world, "demo/demo.s0.demo")?.endpoints[0]).toMatchObject({
      state: "kept",
      why: expect.stringMatching(/^many services vanished at once, hold until \d{4}-/),
    });
    expect(serviceOf(world, "demo/demo.s9.demo")?.endpoints[0]).toMatchObject({ state: "listed", why: "" });
  });

  test("calls no endpoint listed of which it does not know that", async () => {
    const world = await openSettled();
    const first = () => serviceOf(world, "demo/demo.a.demo")?.endpoints[0];
    world.registry().fail("RegistryUnreachable");
    await world.advance(30 * second);
    expect(first()).toMatchObject({ state: "unknown", why: "its registry cannot be read now" });
    world.person.edit("registryhubs", hubKey, (object) => ({
      ...object,
      spec: { ...object.spec, type: "no" } as never,
    }));
    await world.advance(30 * second);
    expect(first()).toMatchObject({
      state: "unknown",
      why: "this process does not serve demo/hub, which may list it",
    });
    world.person.delete("registryhubs", hubKey);
    await world.advance(1 * second);
    expect(first()).toMatchObject({ state: "unknown", why: "its hub does not exist; it goes" });
  });

  test.each([
    [{ suspend: true }, "its hub is suspended"],
    [{ policy: "observe" as const }, "its hub only observes"],
  ])("says that everything stays while its hub gets %j", async (spec, why) => {
    const world = await openSettled();
    edit(world, spec);
    await world.advance(2 * second);
    const [endpoint] = serviceOf(world, "demo/demo.a.demo")?.endpoints ?? [];
    expect(endpoint?.state === "listed" || endpoint?.why === why).toBe(true);
    world.registry().lists({});
    await world.advance(2 * second);
    expect(serviceOf(world, "demo/demo.a.demo")?.endpoints[0]).toMatchObject({ state: "kept", why });
  });

  test("does not say that an endpoint goes which a hub of another lane may list", async () => {
    const world = openWorld();
    const [gold, grey] = [world.lane("gold"), world.lane("grey")];
    for (const lane of ["gold", "grey"]) {
      world.registry(lane).lists({ "demo.A": ["10.42.0.1:20880"] });
      world.person.put(hub({ address: lane }, { name: lane, labels: { lane } }));
    }
    await gold.start({ vipCidr: "240.241.0.0/16" });
    await grey.start({ vipCidr: "240.242.0.0/16" });
    await world.advance(2 * minute);
    move(world, "grey", "gold"); // for a moment, so that the entry names both
    await world.advance(2 * minute);
    move(world, "grey", "grey");
    await world.advance(2 * minute);
    world.registry("gold").lists({});
    await world.advance(30 * second);
    expect(serviceOf({ ...world, hubController: gold }, "demo/demo.a.demo")?.endpoints[0]).toMatchObject({
      state: "unknown",
      why: "this process does not serve demo/grey, which may list it",
    });
  });

  test("says since when it is empty", async () => {
    const world = await openSettled();
    world.registry().lists({ "demo.B": two["demo.B"] ?? [] });
    await world.advance(2 * second);
    expect(serviceOf(world, "demo/demo.a.demo")).toMatchObject({
      emptySince: expect.stringMatching(/^\d{4}-/),
      endpointCount: 0,
    });
  });
});
