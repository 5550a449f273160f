import { describe, expect, test } from "vitest";
import { UsageError } from "../../../src/cli/usage-error.ts";
import type { ServiceEntry } from "../../../src/model/istio.ts";
import { openServed, openSettled, ten, without } from "../../controllers/scenes.ts";
import { home, hub, minute, openWorld, rootNamespace, second, type World } from "../../controllers/world.ts";
import { explain, shownBelow } from "../../support/commands.ts";

/** Somebody else's entry. */
const strangers = (name: string, host: string, address: string, namespace = home): ServiceEntry => ({
  apiVersion: "networking.istio.io/v1beta1",
  kind: "ServiceEntry",
  metadata: { namespace, name },
  spec: {
    hosts: [host],
    addresses: [address],
    resolution: "STATIC",
    ports: [{ name: "tcp", number: 20_880, protocol: "TCP" }],
    endpoints: [{ address: "10.0.0.2" }],
  },
});

/** The first three lines: what is the matter, the cause and the fix. */
async function headOf(world: World, what: string): Promise<readonly string[]> {
  const { lines, isFine } = await explain(world, what);
  expect(isFine).toBe(false);
  expect(lines.at(-1)).toMatch(/^[^\n]+\.$/);
  return lines.slice(0, 3);
}

const vipOf = ({ person }: World, name = "aeraki-demo-a-demo"): string =>
  person.get("serviceentries", `${home}/${name}`)?.spec.addresses?.[0] ?? "";

const documented = async (world: World, what: string): Promise<void> => {
  const { lines } = await explain(world, what);
  expect(lines.join("\n").trimEnd()).toBe(shownBelow(`kubectl registryhub explain ${what}`));
};

describe("a host that is served", () => {
  test("is explained from its hub to its filters, and the last line says so", async () => {
    const world = await openServed();
    const { lines, isFine } = await explain(world, "demo.a.demo");
    expect(isFine).toBe(true);
    expect(lines[0]).toBe("demo.a.demo has a ServiceEntry, and nothing is wrong with it");
    expect(lines.at(-1)).toBe(
      `demo.a.demo is served: ${vipOf(world)}:20880 leads to 1 endpoint by dubbo, balanced by call.`,
    );
    await documented(world, "demo.a.demo");
  });

  test.each([
    ["its service", () => "demo.A"],
    ["its service, in other letters", () => "DEMO.a"],
    ["its host and port", () => "demo.a.demo:20880"],
    ["its virtual IP", vipOf],
    ["its virtual IP and port", (world: World) => `${vipOf(world)}:20880`],
    ["its ServiceEntry", () => "demo/aeraki-demo-a-demo"],
    ["its host with its namespace", () => "demo/demo.a.demo"],
  ])("is found by %s", async (_, what) => {
    const world = await openServed();
    const { report } = await explain(world, what(world));
    expect(report).toMatchObject({ host: "demo.a.demo", namespace: home, findings: [] });
  });

  test("as data says the same", async () => {
    const world = await openServed();
    const { report } = await explain(world, "demo.A");
    expect(report).toMatchObject({
      hubs: [{ hub: "demo/hub", ready: "Ready", endpoints: 1 }],
      entry: { name: "aeraki-demo-a-demo", owner: "the operator", service: "demo.A", protocol: "dubbo" },
      endpoints: [{ address: "10.42.0.1:20880", by: ["demo/hub"], state: "listed", weight: 1, mtls: false }],
      filters: [
        { does: "calls", namespace: rootNamespace },
        { does: "port", namespace: rootNamespace },
      ],
      others: [],
    });
  });
});

describe("the first three lines name cause and fix of", () => {
  test("an address that is wrong", async () => {
    const world = openWorld();
    world.registry().fail();
    world.person.put(hub());
    await world.hubController.start();
    await world.advance(10 * second);
    expect(await headOf(world, "demo.A")).toEqual([
      "demo.A has no ServiceEntry, so callers do not reach it",
      expect.stringMatching(/^cause: RegistryHub demo\/hub is not Ready \(RegistryUnreachable\): ./),
      expect.stringMatching(/^fix: {3}.*the operator retries by itself\.$/),
    ]);
  });

  test("a right that the operator lacks", async () => {
    const world = openWorld();
    world.registry().lists({ "demo.A": ["10.42.0.1:20880"] });
    world.api.forbid({ resource: "serviceentries", verb: "create", user: "registryhub" });
    world.person.put(hub());
    await world.hubController.start();
    await world.advance(10 * second);
    expect(await headOf(world, "demo.a.demo")).toEqual([
      "demo.a.demo has no ServiceEntry, so callers do not reach it",
      expect.stringMatching(/^cause: RegistryHub demo\/hub is not Ready \(Forbidden\): .*cannot create/),
      expect.stringMatching(/^fix: {3}.*permission/i),
    ]);
  });

  test("endpoints that the brake holds", async () => {
    const world = await openServed({ services: ten });
    world.registry().lists(without(ten, 4));
    await world.advance(10 * second);
    const head = await headOf(world, "demo.s0.demo");
    expect(head).toEqual([
      "demo.s0.demo may have endpoints that are gone",
      "cause: RegistryHub demo/hub holds removals (Shrunk): 4 services with 4 endpoints",
      expect.stringMatching(
        /^fix: {3}Wait until \S+Z, or: kubectl annotate --overwrite registryhub -n demo hub ecns\.easystack\.cn\/release-hold=\S+Z$/,
      ),
    ]);
    await documented(world, "demo.s0.demo");
  });

  test("a ServiceEntry of somebody else", async () => {
    const world = openWorld();
    world.person.put(strangers("theirs", "demo.a.demo", "10.0.0.1"));
    world.registry().lists({ "demo.A": ["10.42.0.1:20880"] });
    world.person.put(hub());
    await world.hubController.start();
    await world.advance(10 * second);
    expect(await headOf(world, "demo.a.demo")).toEqual([
      "demo.a.demo has the ServiceEntry of somebody else, which the operator leaves alone",
      "cause: ServiceEntry demo/theirs had the host first, and RegistryHub demo/hub lists it too (HostConflict)",
      expect.stringMatching(
        /^fix: {3}Delete that ServiceEntry, or have it use another host: kubectl edit serviceentry -n demo \S+$/,
      ),
    ]);
  });

  test("a port that is not allowed", async () => {
    const world = await openServed({ services: { "demo.A": ["10.42.0.1:3306"] } });
    expect(await headOf(world, "demo.A")).toEqual([
      "demo.a.demo is called as plain TCP: each connection sticks to one endpoint",
      "cause: port 3306 is not one of --dubbo-ports (PortNotAllowed), so the service gets no EnvoyFilter",
      "fix:   Use another port, have the operator's --dubbo-ports allow this one, or set spec.l7: false in the hub.",
    ]);
  });

  test("a virtual IP that two have", async () => {
    const world = await openServed();
    world.person.put(strangers("thief", "other.example", vipOf(world), "default"));
    await world.advance(10 * second);
    expect(await headOf(world, "demo.A")).toEqual([
      "demo.a.demo is reached by some callers, and others reach something else",
      `cause: ServiceEntry default/thief, which is not the operator's, has its virtual IP ${vipOf(world)} as well (VipShared)`,
      "fix:   Give that ServiceEntry another address: kubectl edit serviceentry -n default thief",
    ]);
  });

  test("a virtual IP that two have, asked for by it", async () => {
    const world = await openServed();
    world.person.put(strangers("aaa", "other.example", vipOf(world), "default"));
    await world.advance(10 * second);
    expect((await headOf(world, `${vipOf(world)}:20880`))[0]).toMatch(/^demo\.a\.demo is reached by some/);
  });

  test("a mesh that hides it", async () => {
    const world = await openServed();
    world.person.put({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { namespace: rootNamespace, name: "istio" },
      data: { mesh: "serviceEntryVisibility: { defaultVisibility: NAMESPACE, applyToSidecars: true }\n" },
    });
    await world.advance(11 * minute);
    expect(await headOf(world, "demo.A")).toEqual([
      "demo.a.demo is hidden by the mesh, so callers do not reach it",
      expect.stringMatching(
        /^cause: meshConfig\.serviceEntryVisibility .* hides .*\(HiddenByMesh of RegistryHub/,
      ),
      expect.stringMatching(/^fix: {3}have the mesh's administrator add a policy/),
    ]);
  });

  test("a Service of the same name", async () => {
    const world = await openServed();
    world.registry().set("shop", ["10.42.0.1:9000"], "spring");
    await world.advance(10 * second);
    world.person.put({ apiVersion: "v1", kind: "Service", metadata: { namespace: home, name: "shop" } });
    expect((await headOf(world, "shop.demo"))[1]).toBe(
      "cause: Service demo/shop has the same name in the mesh (ShadowsService)",
    );
  });

  test("a service without instances", async () => {
    const world = await openServed();
    world.registry().lists({ "demo.A": [], "demo.B": ["10.42.0.2:20880"] });
    await world.advance(10 * second);
    expect(await headOf(world, "demo.A")).toEqual([
      "demo.a.demo has no endpoint, so calls fail at once",
      expect.stringMatching(/^cause: RegistryHub demo\/hub lists no instance of demo\.A since \S+Z$/),
      "fix:   Start a provider, or look at what it registers.",
    ]);
  });

  test("a service that spec.services leaves out", async () => {
    const world = await openServed({ spec: { services: { exclude: ["demo.B"] } } });
    expect(await headOf(world, "demo.b.demo")).toEqual([
      "demo.b.demo has no ServiceEntry, so callers do not reach it",
      "cause: spec.services of RegistryHub demo/hub leaves the service out",
      "fix:   Change spec.services: kubectl edit registryhub -n demo hub",
    ]);
  });

  test("a service that nobody lists, and a namespace without a hub", async () => {
    const world = await openServed();
    expect((await headOf(world, "demo.none.demo"))[1]).toBe(
      "cause: RegistryHub demo/hub is Ready, and its registry does not list it",
    );
    const empty = openWorld();
    expect((await headOf(empty, "demo.A"))[1]).toBe("cause: there is no RegistryHub that you may see");
  });

  test("a service that nobody lists, whatever is the matter with hubs elsewhere", async () => {
    const world = await openServed();
    world.registry("nowhere:2181").fail();
    world.person.put(hub({ address: "nowhere:2181", generate_to: "default" }, { namespace: "default" }));
    await world.advance(10 * second);
    expect((await headOf(world, "demo.None"))[1]).toContain(
      "RegistryHub demo/hub is Ready, and its registry",
    );
    world.person.put(hub({ address: "nowhere:2181", services: { include: ["other.*"] } }, { name: "lost" }));
    await world.advance(10 * second);
    const { report } = await explain(world, "demo.None");
    expect(report).toMatchObject({
      findings: [{ cause: expect.stringContaining("RegistryHub demo/lost leaves the service out") }],
      hubs: [{ hub: "demo/hub" }, { hub: "demo/lost" }],
    });
  });

  test("a VirtualService that is refused", async () => {
    const world = await openServed();
    const route = { destination: { host: "demo.a.demo" } };
    world.person.put({
      apiVersion: "networking.istio.io/v1beta1",
      kind: "VirtualService",
      metadata: { namespace: home, name: "rules" },
      spec: { hosts: ["demo.a.demo"], http: [{ timeout: "1s", route: [route] }] },
    });
    await world.advance(2 * second);
    expect((await headOf(world, "demo.A")).slice(0, 2)).toEqual([
      "demo.a.demo does not follow a VirtualService",
      "cause: VirtualService demo/rules is refused: UnsupportedField: spec.http[0].timeout is nothing that rules for Dubbo can express",
    ]);
  });

  test("a hub that is gone, and an operator that has not come", async () => {
    const world = await openServed();
    await world.hubController.stop();
    world.person.delete("registryhubs", "demo/hub");
    expect((await headOf(world, "demo.A"))[1]).toBe(
      "cause: RegistryHub demo/hub, which vouches for some, is not there, or you may not see it",
    );
    world.person.put(hub({}, { name: "other" }));
    expect((await headOf(world, "demo.C"))[1]).toBe(
      "cause: RegistryHub demo/other is not Ready (no status): no operator has looked at the hub: it has no status",
    );
  });
});

describe("an address", () => {
  test("of a provider is an endpoint of hosts", async () => {
    const world = await openServed({
      services: { "demo.A": ["10.42.0.1:20880"], "demo.B": ["10.42.0.1:20880", "10.42.0.2:20880"] },
    });
    const { lines, isFine } = await explain(world, "10.42.0.1");
    expect(isFine).toBe(true);
    expect(lines.at(-1)).toBe("10.42.0.1 is an endpoint of 2 hosts, for which demo/hub vouches.");
    const { report } = await explain(world, "10.42.0.2:20880");
    expect(report).toMatchObject({ endpoints: [{ host: "demo/demo.b.demo", address: "10.42.0.2:20880" }] });
  });

  test("that is rejected, or nobody's, is told why", async () => {
    const world = await openServed({ services: { "demo.A": ["10.42.0.1:20880", "127.0.0.1:20880"] } });
    expect((await headOf(world, "127.0.0.1:20880"))[1]).toMatch(/^cause: BadAddress at /);
    expect((await headOf(world, "10.9.9.9"))[0]).toBe(
      "10.9.9.9 is neither a virtual IP nor an endpoint of a ServiceEntry",
    );
  });
});

describe("a hub", () => {
  test.each(["hub", "demo/hub"])("called %s is its status and its hosts", async (what) => {
    const world = await openServed();
    const { lines, isFine } = await explain(world, what);
    expect(isFine).toBe(true);
    expect(lines[0]).toMatch(/^RegistryHub demo\/hub is Ready, for \d+m$/);
    expect(lines.at(-1)).toBe("RegistryHub demo/hub is Ready and vouches for 2 hosts with 2 endpoints.");
  });
});

test("a hub that this version cannot read keeps its hosts, and is told of with them", async () => {
  const world = await openServed();
  world.person.edit("registryhubs", "demo/hub", (object) => ({
    ...object,
    spec: { ...object.spec, type: "etcd" },
  }));
  await world.advance(10 * second);
  const { lines } = await explain(world, "hub");
  expect(lines[1]).toContain('spec.type "etcd" is not one of');
  expect(lines.at(-1)).toContain("keeps 2 hosts with 2 endpoints as they are");
  expect((await headOf(world, "demo.A"))[1]).toContain("is not Ready (InvalidSpec)");
});

test("of several hosts with one name that of the person's namespace is meant, and else none", async () => {
  const world = await openSettled();
  world.person.put(hub({ generate_to: "default" }, { name: "second" }));
  await world.advance(2 * minute);
  expect((await explain(world, "demo.A", "default")).report).toMatchObject({ host: "demo.a.default" });
  const elsewhere = explain(world, "demo.A", rootNamespace);
  await expect(elsewhere).rejects.toThrow(UsageError);
  await expect(elsewhere).rejects.toThrow(/one of them: default\/demo\.a\.default, demo\/demo\.a\.demo$/);
});

describe("rights that the person lacks", () => {
  test("are named, and the rest is explained", async () => {
    const world = await openServed();
    for (const resource of ["services", "virtualservices", "events"])
      world.api.forbid({ resource, user: "alice" });
    world.api.forbid({ resource: "serviceentries", user: "alice", namespace: "" });
    const { lines, isFine } = await explain(world, "demo.a.demo");
    expect(isFine).toBe(true);
    const text = lines.join("\n");
    expect(text).toContain("serviceentries.networking.istio.io: you may list only those of demo");
    expect(text).toContain("services: you may not list them");
  });

  test("to filters make no filter missing", async () => {
    const world = await openServed();
    world.api.forbid({ resource: "envoyfilters", user: "alice" });
    expect(await explain(world, "demo.a.demo")).toMatchObject({ isFine: true });
  });

  test("to hubs end it", async () => {
    const world = await openServed();
    world.api.forbid({ resource: "registryhubs", user: "alice" });
    await expect(explain(world, "demo.a.demo")).rejects.toThrow(/registryhubs\S+: you may not list them/);
  });
});
