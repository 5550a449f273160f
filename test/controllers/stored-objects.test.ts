import { expect, test } from "vitest";
import { addressesOf, entryOf, filtersOf, listedHosts, said } from "./looks.ts";
import { hostsOf, two } from "./scenes.ts";
import { home, hub, minute, openWorld, rootNamespace, second, type World } from "./world.ts";

// Legal objects that anybody may write. Each of them once ended a controller at every start (H3), in every namespace.

const port = { name: "9000", number: 9_000 };
const spec = { hosts: ["odd.elsewhere"], addresses: ["10.0.0.1"], ports: [{ ...port, protocol: "tcp" }] };
const ours = { "app.kubernetes.io/managed-by": "registryhub" };

const entry = (labels: object, rest: object): object => ({
  apiVersion: "networking.istio.io/v1beta1",
  kind: "ServiceEntry",
  metadata: { namespace: "elsewhere", name: "odd", labels },
  ...rest,
});
const filter = (rest: object): object => ({
  apiVersion: "networking.istio.io/v1alpha3",
  kind: "EnvoyFilter",
  metadata: {
    namespace: rootNamespace,
    name: "odd",
    labels: { "app.kubernetes.io/managed-by": "dubbo-controller" },
    annotations: { "ecns.easystack.cn/serviceentry": `${home}/aeraki-demo-a-demo` },
  },
  ...rest,
});

/** Both controllers beside the object, from their start on and after another one. */
async function openBeside(object: object, status?: object): Promise<World> {
  const world = openWorld();
  world.person.createNamespace("elsewhere");
  world.person.put(object as { metadata: object });
  if (status) world.person.editStatus("serviceentries", "elsewhere/odd", (one) => ({ ...one, status }));
  world.registry().lists(two);
  world.person.put(hub());
  await world.hubController.start();
  await world.dubboController.start();
  await world.advance(1 * minute);
  await world.hubController.restart();
  await world.dubboController.restart();
  await world.advance(1 * minute);
  return world;
}

test.each<[string, object, object?]>([
  [
    "the old product's entry, whose port leaves the protocol to Istio",
    entry({ manager: "aeraki", registry: "dubbo2istio" }, { spec: { ...spec, ports: [port] } }),
  ],
  [
    "an entry with our label, whose port leaves the protocol to Istio",
    entry(ours, { spec: { ...spec, ports: [port] } }),
  ],
  [
    "an entry with our label and an endpoint that has a network and no address",
    entry(ours, { spec: { ...spec, endpoints: [{ network: "east" }] } }),
  ],
  ["a stranger's entry whose status.addresses is a text", entry({}, { spec }), { addresses: "240.240.0.7" }],
  ["a stranger's entry without a spec", entry({}, {})],
  ["an entry with our label without a spec", entry(ours, {})],
  ["a filter with our label without a spec", filter({})],
  ["a filter with our label whose patches are a text", filter({ spec: { configPatches: "none" } })],
  [
    "a stranger's entry whose port leaves the protocol to Istio",
    entry({}, { spec: { ...spec, ports: [port] } }),
  ],
])("beside %s everything else works", async (_, object, status) => {
  const world = await openBeside(object, status);
  world.registry().set("demo.A", ["10.42.0.9:20880"]);
  await world.advance(1 * minute);
  expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.9:20880"]);
  expect(listedHosts(world)).toEqual(hostsOf(two));
  expect(filtersOf(world).filter((name) => name !== "odd")).toHaveLength(3);
  expect(said(world)).toMatchObject({ phase: "success", Ready: "True Ready" });
});

test("a protocol that somebody takes away from our own entry is put back", async () => {
  const world = openWorld();
  world.registry().lists({ order: ["10.42.0.1:9000"] }, "spring");
  world.person.put(hub());
  await world.hubController.start();
  await world.advance(1 * minute);
  const written = entryOf(world, "order")?.spec.ports;
  const key = `${home}/${entryOf(world, "order")?.metadata.name}`;
  world.person.edit("serviceentries", key, (object) => ({
    ...object,
    spec: { ...object.spec, ports: object.spec.ports?.map((one) => ({ ...one, protocol: undefined })) },
  }));
  await world.advance(5 * second);
  expect(entryOf(world, "order")?.spec.ports).toEqual(written);
});
