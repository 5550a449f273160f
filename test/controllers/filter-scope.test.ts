import { describe, expect, test } from "vitest";
import type { RegistryHub } from "../../src/model/registryhub.ts";
import { failure } from "../fakes/api-server/answer.ts";
import { entryOf, eventsOf, writesSince } from "./looks.ts";
import { edit, openSettled, type Services, two } from "./scenes.ts";
import { hubKey, minute, rootNamespace, second, type World } from "./world.ts";

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
      return writesSince(world, since).filter((write) => write.includes("envoyfilters"));
    };
    const written = [`patch envoyfilters ${buffer}`, `patch envoyfilters ${outbound(world)}`];
    const deleted = [`delete envoyfilters ${outbound(world)}`, `delete envoyfilters ${buffer}`];
    expect(await moves([a])).toEqual([...written, ...deleted]);
    expect(filters(world)).toEqual(inNamespaces(world, [a]));
    expect(await moves(["*"])).toEqual([...written, ...deleted]);
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
    world.person.edit("serviceentries", "demo/aeraki-demo-a-demo", (object) => ({
      ...object,
      metadata: {
        ...object.metadata,
        annotations: { ...object.metadata.annotations, "ecns.easystack.cn/l7": "false" },
      },
    }));
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

  test("in which a stranger has the name keeps nothing from the others", async () => {
    const world = await openScoped({
      prepare: ({ person }) =>
        person.put({
          apiVersion: "networking.istio.io/v1alpha3",
          kind: "EnvoyFilter",
          metadata: { namespace: a, name: buffer },
          spec: { configPatches: [] },
        }),
    });
    expect(filters(world)).toEqual([`${a}/${buffer}`, ...inNamespaces(world, [b])]);
    expect(eventsOf(world)).toContain(`EnvoyFilter ${buffer}: NameTaken`);
  });
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

  test("to write in one of them they are in the root namespace, never in fewer places than before", async () => {
    let allow = (): void => undefined;
    const refusal = {
      resource: "envoyfilters",
      verb: "patch",
      namespace: b,
      user: "dubbo-controller",
    } as const;
    const world = await openScoped({ spec: {}, prepare: ({ api }) => (allow = api.forbid(refusal)) });
    edit(world, { exportTo: [a, b] });
    await world.advance(5 * minute);
    expect(filters(world)).toEqual(inNamespaces(world, [rootNamespace]));
    expect(eventsOf(world)).toContain(`Namespace ${rootNamespace}: FiltersInRoot`);
    allow();
    await world.advance(15 * minute);
    expect(filters(world)).toEqual(inNamespaces(world, [a, b]));
  });

  test("that they had before, those that exist stay where they are, and new ones are in the root namespace", async () => {
    const world = await openScoped();
    world.api.forbid({ ...notBeyondRoot, verb: "watch" });
    world.api.forbid(notBeyondRoot);
    await world.advance(20 * minute);
    expect(filters(world)).toEqual(inNamespaces(world, [a, b]));
    world.registry().lists(two);
    await world.advance(1 * minute);
    const fresh = inNamespaces(world, [rootNamespace], ["demo.B"]);
    expect(filters(world)).toEqual([...inNamespaces(world, [a, b]), ...fresh].sort());
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
