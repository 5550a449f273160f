import { describe, expect, test } from "vitest";
import type { RegistryHub } from "../../src/model/registryhub.ts";
import { failure } from "../fakes/api-server/answer.ts";
import { entryOf, eventsOf, writesSince } from "./looks.ts";
import { edit, openSettled, type Services, two } from "./scenes.ts";
import { dubboPorts, hubKey, minute, rootNamespace, second, type World } from "./world.ts";

const one: Services = { "demo.A": ["10.42.0.1:20880"] };
const [a, b] = ["team-a", "team-b"];
const buffer = "aeraki-outbound-buffer-20880";
const outbound = (world: World, service = "demo.A"): string =>
  `aeraki-outbound-${service.toLowerCase()}.demo-${entryOf(world, service)?.spec.addresses?.[0]}-20880`;

/** "<namespace>/<name>" of every EnvoyFilter. */
const filters = ({ person }: World): readonly string[] =>
  person
    .list("envoyfilters")
    .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`)
    .sort();
/** Those that these services have if their filters are in these namespaces. */
const inNamespaces = (
  world: World,
  namespaces: readonly string[],
  services = ["demo.A"],
): readonly string[] =>
  namespaces
    .flatMap((namespace) =>
      [buffer, ...services.map((name) => outbound(world, name))].map((name) => `${namespace}/${name}`),
    )
    .sort();
const inRoot = async (world: World): Promise<string | undefined> =>
  (await world.dubboController.metrics())
    .split("\n")
    .find((line) => line.startsWith("registryhub_filters_in_root "));

interface Scene {
  readonly spec?: Partial<RegistryHub["spec"]>;
  readonly services?: Services;
  readonly prepare?: (world: World) => void;
}

/** Both controllers, two namespaces besides, and a hub that exports to both. */
async function openScoped({
  spec = { exportTo: [a, b] },
  services = one,
  prepare,
}: Scene = {}): Promise<World> {
  const world = await openSettled({ services, spec });
  for (const name of [a, b]) world.person.createNamespace(name);
  prepare?.(world);
  await world.dubboController.start();
  await world.advance(1 * minute);
  return world;
}

/**
 * Filters that belong to both namespaces are in the root namespace, which is told, and the other one, which refuses them, is tried
 * now and then. They move once it takes them.
 */
async function moveOnceTaken(world: World, endRefusal: () => void): Promise<void> {
  expect(eventsOf(world)).toContain(`Namespace ${rootNamespace}: FiltersInRoot`);
  const since = world.writes().length;
  await world.advance(60 * minute);
  const tried = world.writes(since).filter(({ resource }) => resource === "envoyfilters");
  expect(tried.every(({ namespace }) => namespace === b)).toBe(true);
  expect(tried.length).toBeLessThanOrEqual(7);
  endRefusal();
  await world.advance(15 * minute);
  expect(filters(world)).toEqual(inNamespaces(world, [a, b]));
}

const notBeyondRoot = {
  resource: "envoyfilters",
  verb: "list",
  namespace: "",
  user: "dubbo-controller",
} as const;

describe("the filters of an entry that is exported to some namespaces", () => {
  test("are there, with that of their port, and not in the root namespace", async () => {
    const world = await openScoped();
    expect(filters(world)).toEqual(inNamespaces(world, [a, b]));
    expect(await inRoot(world)).toBe("registryhub_filters_in_root 0");
  });

  test("are in the entry's own namespace where it says so, and in the root namespace if that is one of them", async () => {
    const world = await openScoped({ spec: { exportTo: ["."] } });
    expect(filters(world)).toEqual(inNamespaces(world, ["demo"]));
    edit(world, { exportTo: [a, rootNamespace] });
    await world.advance(1 * minute);
    expect(filters(world)).toEqual(inNamespaces(world, [rootNamespace]));
  });

  test("move there and back: what is new is written first, and that of the port goes last", async () => {
    const world = await openScoped({ spec: {} });
    expect(filters(world)).toEqual(inNamespaces(world, [rootNamespace]));
    const moves = async (exportTo: readonly string[]): Promise<readonly string[]> => {
      const since = world.writes().length;
      edit(world, { exportTo });
      await world.advance(1 * minute);
      const writes = world.writes(since).filter(({ resource }) => resource === "envoyfilters");
      return writes.map(({ verb, namespace, name }) => `${verb} ${namespace}/${name}`);
    };
    const move = (from: string, to: string) => [
      ...[buffer, outbound(world)].map((name) => `patch ${to}/${name}`),
      ...[outbound(world), buffer].map((name) => `delete ${from}/${name}`),
    ];
    expect(await moves([a])).toEqual(move(rootNamespace, a));
    expect(filters(world)).toEqual(inNamespaces(world, [a]));
    expect(await moves(["*"])).toEqual(move(a, rootNamespace));
    expect(filters(world)).toEqual(inNamespaces(world, [rootNamespace]));
  });

  test("cost no write when the controller restarts", async () => {
    const world = await openScoped();
    const since = world.writes().length;
    await world.dubboController.restart();
    await world.advance(2 * minute);
    expect(writesSince(world, since)).toEqual([]);
  });

  test("go with it, and so do those of its port, but not those that another entry needs", async () => {
    const world = await openScoped({ services: two });
    expect(filters(world)).toEqual(inNamespaces(world, [a, b], ["demo.A", "demo.B"]));
    world.registry().lists({ "demo.B": two["demo.B"] ?? [] });
    await world.advance(60 * minute);
    expect(filters(world)).toEqual(inNamespaces(world, [a, b], ["demo.B"]));
    world.person.delete("registryhubs", hubKey);
    await world.advance(10 * minute);
    expect(filters(world)).toEqual([]);
  });

  test("come back when somebody deletes or edits them", async () => {
    const world = await openScoped();
    world.person.delete("envoyfilters", `${a}/${buffer}`);
    world.person.edit("envoyfilters", `${b}/${outbound(world)}`, (object) => ({
      ...object,
      spec: { configPatches: [] },
    }));
    await world.advance(1 * minute);
    expect(filters(world)).toEqual(inNamespaces(world, [a, b]));
    const edited = world.person.get("envoyfilters", `${b}/${outbound(world)}`);
    expect(JSON.stringify(edited?.spec)).toContain("dubbo_proxy");
  });

  test("say what the filters of their port say: ejection ends in all namespaces", async () => {
    const world = await openScoped();
    edit(world, { outlierDetection: false });
    await world.advance(1 * minute);
    for (const namespace of [a, b]) {
      const { spec } = world.person.get("envoyfilters", `${namespace}/${buffer}`) ?? {};
      expect(JSON.stringify(spec)).not.toContain("outlier_detection");
    }
  });
});

describe("a namespace", () => {
  test("that does not exist is left out until it does", async () => {
    const world = await openScoped({ spec: { exportTo: [a, "later"] } });
    expect(filters(world)).toEqual(inNamespaces(world, [a]));
    world.person.createNamespace("later");
    await world.advance(5 * second);
    expect(filters(world)).toEqual(inNamespaces(world, [a, "later"]));
  });

  test.each([{ exportTo: [a, b] }, {}])(
    "in which a stranger has the name keeps all in the root namespace, and is told (before: %o)",
    async (spec) => {
      const world = await openScoped({
        spec,
        prepare: ({ person }) =>
          person.put({
            apiVersion: "networking.istio.io/v1alpha3",
            kind: "EnvoyFilter",
            metadata: { namespace: a, name: buffer },
            spec: { configPatches: [] },
          }),
      });
      edit(world, { exportTo: [a, b] });
      await world.advance(1 * minute);
      expect(filters(world)).toEqual([`${a}/${buffer}`, ...inNamespaces(world, [rootNamespace])].sort());
      expect(eventsOf(world)).toContain(`EnvoyFilter ${buffer}: NameTaken`);
      expect(eventsOf(world)).toContain(`Namespace ${rootNamespace}: FiltersInRoot`);
      world.person.delete("envoyfilters", `${a}/${buffer}`);
      await world.advance(15 * minute);
      expect(filters(world)).toEqual(inNamespaces(world, [a, b]));
    },
  );
});

test("a name that somebody has in a namespace keeps one entry's filters in the root namespace, and no other's", async () => {
  const world = await openScoped({ spec: {} });
  world.person.put({
    apiVersion: "networking.istio.io/v1alpha3",
    kind: "EnvoyFilter",
    metadata: { namespace: a, name: outbound(world) },
    spec: { configPatches: [] },
  });
  edit(world, { exportTo: [a] });
  await world.advance(1 * minute);
  world.registry().lists(two);
  await world.advance(1 * minute);
  const mine = inNamespaces(world, [a], ["demo.B"]);
  expect(filters(world)).toEqual(
    [`${a}/${outbound(world)}`, ...mine, ...inNamespaces(world, [rootNamespace])].sort(),
  );
  expect(await inRoot(world)).toBe("registryhub_filters_in_root 1");
});

describe("without a right", () => {
  test("to list filters of other namespaces they stay in the root namespace, which is told, and move with the right", async () => {
    let allow = (): void => undefined;
    const world = await openScoped({ prepare: ({ api }) => (allow = api.forbid(notBeyondRoot)) });
    expect(filters(world)).toEqual(inNamespaces(world, [rootNamespace]));
    expect(await inRoot(world)).toBe("registryhub_filters_in_root 1");
    expect(eventsOf(world)).toContain(`Namespace ${rootNamespace}: FiltersInRoot`);
    allow();
    await world.advance(1 * minute);
    expect(filters(world)).toEqual(inNamespaces(world, [a, b]));
    expect(await inRoot(world)).toBe("registryhub_filters_in_root 0");
  });

  test.each([
    ["Forbidden", 403],
    ["Invalid", 422],
  ])(
    "to write in one of them (%s) they are in the root namespace, never in fewer places than before",
    async (reason, code) => {
      const world = await openScoped({ spec: {} });
      const refusal = {
        resource: "envoyfilters",
        verb: "patch",
        namespace: b,
        user: "dubbo-controller",
      } as const;
      const end = world.api.refuse(refusal, () => failure(code, reason, "not here"));
      edit(world, { exportTo: [a, b] });
      await world.advance(5 * minute);
      expect(filters(world)).toEqual(inNamespaces(world, [rootNamespace]));
      await moveOnceTaken(world, end);
    },
  );

  test("that they had before, those that exist stay where they are, also after a restart, and new ones are in the root namespace", async () => {
    const world = await openScoped();
    world.api.forbid({ ...notBeyondRoot, verb: "watch" });
    world.api.forbid(notBeyondRoot);
    await world.advance(20 * minute);
    expect(filters(world)).toEqual(inNamespaces(world, [a, b]));
    world.registry().lists(two);
    await world.advance(1 * minute);
    const fresh = inNamespaces(world, [rootNamespace], ["demo.B"]);
    expect(filters(world)).toEqual([...inNamespaces(world, [a, b]), ...fresh].sort());
    await world.dubboController.restart();
    await world.advance(1 * minute);
    const all = inNamespaces(world, [rootNamespace], ["demo.A", "demo.B"]);
    expect(filters(world)).toEqual([...inNamespaces(world, [a, b]), ...all].sort());
  });

  test("that they had before, an entry that is then exported to others has its filter in the root namespace", async () => {
    const world = await openScoped({ spec: { exportTo: [a] } });
    world.api.forbid({ ...notBeyondRoot, verb: "watch" });
    world.api.forbid(notBeyondRoot);
    await world.advance(20 * minute);
    edit(world, { exportTo: [b] });
    await world.advance(1 * minute);
    expect(filters(world)).toEqual(inNamespaces(world, [a, rootNamespace]));
    expect(await inRoot(world)).toBe("registryhub_filters_in_root 1");
  });

  test("nobody reads of it who needs none, and filters that nobody needs any more go once it is there again", async () => {
    const world = await openScoped();
    const allow = world.api.forbid(notBeyondRoot);
    await world.dubboController.stop();
    edit(world, { exportTo: ["*"] });
    await world.advance(10 * second);
    await world.dubboController.start();
    await world.advance(1 * minute);
    expect(filters(world)).toEqual(inNamespaces(world, [a, b, rootNamespace]));
    expect(world.dubboController.log.filter(({ message }) => message === "not watching")).toEqual([]);
    allow();
    await world.advance(11 * minute);
    expect(filters(world)).toEqual(inNamespaces(world, [rootNamespace]));
  });
});

describe("an admission webhook that breaks down", () => {
  const breakDown = (world: World, namespace?: string): (() => void) =>
    world.api.refuse(
      { resource: "envoyfilters", verb: "patch", ...(namespace !== undefined && { namespace }) },
      () => failure(500, "InternalError", "failed calling webhook"),
    );

  test.each([{ exportTo: ["*"] }, { exportTo: [a] }])(
    "in one namespace keeps all in the root namespace after a minute, and is told (before: %o)",
    async (spec) => {
      const world = await openScoped({ spec });
      const end = breakDown(world, b);
      edit(world, { exportTo: [a, b] });
      await world.advance(3 * minute);
      expect(filters(world)).toEqual(inNamespaces(world, [rootNamespace]));
      expect(await inRoot(world)).toBe("registryhub_filters_in_root 1");
      await moveOnceTaken(world, end);
      expect(await inRoot(world)).toBe("registryhub_filters_in_root 0");
    },
  );

  test("in all of them moves nothing: the filters are where they belong once it is back", async () => {
    const world = await openScoped();
    const end = breakDown(world);
    world.registry().lists(two);
    await world.advance(30 * minute);
    end();
    await world.advance(2 * minute);
    expect(filters(world)).toEqual(inNamespaces(world, [a, b], ["demo.A", "demo.B"]));
    const toRoot = world
      .writes()
      .filter(({ namespace, code = 500 }) => namespace === rootNamespace && code < 300);
    expect(toRoot.filter(({ resource }) => resource === "envoyfilters")).toEqual([]);
  });
});

describe("an entry whose port is no longer allowed", () => {
  const anyPort = [{ from: 1, to: 65_535, isAllowed: true }];
  const odd: Services = { "demo.A": ["10.42.0.1:3306"] };
  const filterNames = (world: World): readonly string[] => [
    "aeraki-outbound-buffer-3306",
    `aeraki-outbound-demo.a.demo-${entryOf(world, "demo.A")?.spec.addresses?.[0]}-3306`,
  ];

  test.each([
    [["*"], [a], rootNamespace],
    [[a], [b], a],
    [[a], ["*"], a],
    [[a], [a, b], a],
    [[a], ["later"], a],
  ])(
    "and that moves from %j to %j keeps its filters in %s, and they are repaired",
    async (from, to, place) => {
      const world = await openSettled({ services: odd, spec: { exportTo: from } });
      for (const name of [a, b]) world.person.createNamespace(name);
      await world.dubboController.start({ dubboPorts: anyPort });
      await world.advance(1 * minute);
      await world.dubboController.restart({ dubboPorts });
      await world.advance(1 * minute);
      edit(world, { exportTo: to });
      await world.advance(1 * minute);
      const mine = filterNames(world).map((name) => `${place}/${name}`);
      expect(filters(world)).toEqual(mine);
      for (const restarts of [false, true]) {
        if (restarts) await world.dubboController.restart();
        for (const key of mine) world.person.delete("envoyfilters", key);
        await world.advance(1 * minute);
        expect(filters(world)).toEqual(mine);
      }
      edit(world, { l7: false });
      await world.advance(1 * minute);
      expect(filters(world)).toEqual([]);
    },
  );

  test("loses those of a namespace that it is no longer exported to, where it has others", async () => {
    const world = await openSettled({ services: odd, spec: { exportTo: [a, b] } });
    for (const name of [a, b]) world.person.createNamespace(name);
    await world.dubboController.start({ dubboPorts: anyPort });
    await world.advance(1 * minute);
    await world.dubboController.restart({ dubboPorts });
    edit(world, { exportTo: [a] });
    await world.advance(1 * minute);
    expect(filters(world)).toEqual(filterNames(world).map((name) => `${a}/${name}`));
  });
});

describe("filters that somebody else wrote", () => {
  test("with another root namespace are none of the controller's business", async () => {
    const world = await openScoped({ spec: {} });
    await world.dubboController.restart({ rootNamespace: b });
    await world.advance(10 * minute);
    expect(filters(world)).toEqual(inNamespaces(world, [b, rootNamespace]));
  });

  test("outside the root namespace in our name give no right to one in it, nor in another place", async () => {
    const world = await openScoped({ services: { "demo.A": ["10.42.0.1:443"] }, spec: { exportTo: [a] } });
    expect(filters(world)).toEqual([]);
    const forged = (name: string, listener: object) =>
      world.person.put({
        apiVersion: "networking.istio.io/v1alpha3",
        kind: "EnvoyFilter",
        metadata: {
          namespace: b,
          name,
          labels: { "app.kubernetes.io/managed-by": "dubbo-controller" },
          annotations: {
            "ecns.easystack.cn/serviceentry": "demo/aeraki-demo-a-demo",
            "ecns.easystack.cn/root-namespace": rootNamespace,
          },
        },
        spec: { configPatches: [{ match: { listener } }] },
      });
    forged("x", { name: "1.2.3.4_443" });
    forged("y", { name: "virtualInbound", filterChain: { destinationPort: 443 } });
    for (const exportTo of [[a], [a, b], ["*"]]) {
      edit(world, { exportTo });
      await world.advance(1 * minute);
      expect(filters(world).filter((key) => !key.startsWith(`${b}/`))).toEqual([]);
    }
  });
});

test("while the filters of other namespaces cannot be listed for a while, a new entry waits, and nothing is deleted", async () => {
  const world = await openScoped();
  const end = world.api.refuse({ resource: "namespaces", user: "dubbo-controller" }, () =>
    failure(503, "ServiceUnavailable", "starting"),
  );
  await world.dubboController.restart();
  world.registry().lists(two);
  await world.advance(5 * minute);
  expect(filters(world)).toEqual(inNamespaces(world, [a, b]));
  end();
  await world.advance(1 * minute);
  expect(filters(world)).toEqual(inNamespaces(world, [a, b], ["demo.A", "demo.B"]));
});
