import { describe, expect, test } from "vitest";
import { UsageError } from "../../../src/cli/usage-error.ts";
import { edit, openServed, ten, two, without } from "../../controllers/scenes.ts";
import { hub, minute, openWorld, second, type World } from "../../controllers/world.ts";
import { instanceAt, serviceOf } from "../../fakes/registries.ts";
import { explain, explainRead, shownBelow } from "../../support/commands.ts";

type Report = Readonly<Record<"findings" | "registries" | "endpoints" | "hubs", readonly object[]>>;

const explained = async (world: World, what = "demo.A") => {
  const { report, ...rest } = await explainRead(world, what);
  return { ...rest, report: report as Report, answer: rest.lines.at(-1) };
};

/** A settled world whose operator then stops: what the registry says next, it does not follow. */
async function openStopped(scene: Parameters<typeof openServed>[0] = {}): Promise<World> {
  const world = await openServed(scene);
  await world.hubController.stop();
  return world;
}

/** Two hubs vouch for an endpoint; then the operator stops, and the registry of the first lists it no longer. */
async function openDisagreeing(): Promise<World> {
  const world = await openServed();
  world.registry("zk2:2181").lists({ "demo.A": ["10.42.0.1:20880"] });
  world.person.put(hub({ address: "zk2:2181" }, { name: "other" }));
  await world.advance(10 * second);
  await world.hubController.stop();
  world.registry().remove("demo.A");
  return world;
}

const documented = async (world: World, what: string): Promise<void> => {
  const { lines } = await explainRead(world, what);
  expect(lines.join("\n").trimEnd()).toBe(shownBelow(`kubectl registryhub explain --registry ${what}`));
};

test("without being asked for, no registry is opened", async () => {
  const world = await openStopped();
  const before = world.registry().opened.length;
  const { report } = await explain(world, "demo.A");
  expect(report).toMatchObject({ registries: [] });
  expect(world.registry().opened).toHaveLength(before);
});

test("a registry that lists what the entry has agrees, and is watched no longer", async () => {
  const world = await openStopped();
  const { isFine, isKnown, report, answer } = await explained(world);
  expect([isFine, isKnown]).toEqual([true, true]);
  expect(report.registries).toEqual([
    {
      hub: "demo/hub",
      unread: "",
      isUnknown: false,
      isExcluded: false,
      instances: [{ address: "10.42.0.1:20880", service: "demo.A", leftOut: "" }],
    },
  ]);
  expect(answer).toMatch(/ is served: .*; the registry of demo\/hub, read now, agrees\.$/);
  expect(world.registry().isWatched).toBe(false);
});

describe("an endpoint that the registry does not list", () => {
  test("is held by the brake, until then; a host of the same hub that is listed is fine", async () => {
    const world = await openServed({ services: ten });
    world.registry().lists(without(ten, 4));
    await world.advance(10 * second);
    const { isFine, lines, report, answer } = await explained(world, "demo.s0.demo");
    expect(isFine).toBe(false);
    expect(lines[0]).toBe("demo.s0.demo has 1 endpoint that the registry does not list");
    expect(lines[1]).toBe(
      "cause: the registry of RegistryHub demo/hub, read now, does not list 10.42.0.1:20880; the hub holds removals (Shrunk): 4 services with 4 endpoints",
    );
    expect(lines[2]).toMatch(/^fix: {3}Wait until \S+Z, or: kubectl annotate .*release-hold=\S+Z$/);
    expect(report.endpoints).toEqual([
      expect.objectContaining({
        state: expect.stringMatching(/^not listed, kept: hold until \S+Z \(Shrunk\)$/),
      }),
    ]);
    expect(answer).toContain("does not list 10.42.0.1:20880");
    await documented(world, "demo.s0.demo");

    expect((await explain(world, "demo.s9.demo")).isFine).toBe(false);
    const other = await explained(world, "demo.s9.demo");
    expect(other.isFine).toBe(true);
    expect(other.report.endpoints).toMatchObject([{ state: "listed" }]);
  });

  test("is about to go when nothing keeps it", async () => {
    const world = await openStopped();
    world.registry().remove("demo.A");
    const { lines, report } = await explained(world);
    expect(lines.slice(0, 3)).toEqual([
      "demo.a.demo has 1 endpoint that the registry does not list",
      "cause: the registry of RegistryHub demo/hub, read now, does not list 10.42.0.1:20880; the operator has not followed yet",
      "fix:   Wait some seconds; if it stays so, read the log of the hub-controller.",
    ]);
    expect(report.endpoints).toMatchObject([{ state: "not listed, about to go" }]);
  });

  test.each([
    ["upsert-only", { policy: "upsert-only" as const }, "spec.policy: upsert-only keeps it"],
    ["Suspended", { suspend: true }, "the hub is suspended"],
  ])("is kept by a hub that is %s", async (word, spec, cause) => {
    const world = await openServed();
    edit(world, spec);
    await world.advance(10 * second);
    world.registry().remove("demo.A");
    await world.advance(10 * second);
    const { lines, report } = await explained(world);
    expect(lines[1]).toBe(
      `cause: the registry of RegistryHub demo/hub, read now, does not list 10.42.0.1:20880; ${cause}`,
    );
    expect(report.endpoints).toMatchObject([{ state: `not listed, kept: ${word}` }]);
  });

  test("is not what the brake holds where the host has another one", async () => {
    const world = await openServed({
      services: { ...ten, "demo.A": ["10.42.1.1:20880", "10.42.1.2:20880"] },
    });
    world.registry().lists({ ...without(ten, 4), "demo.A": ["10.42.1.1:20880", "10.42.1.2:20880"] });
    await world.advance(10 * second);
    await world.hubController.stop();
    world.registry().set("demo.A", ["10.42.1.1:20880"]);
    const { report, lines } = await explained(world);
    expect(lines[1]).toMatch(/does not list 10\.42\.1\.2:20880; the operator has not followed yet$/);
    expect(report.endpoints).toMatchObject([{ state: "listed" }, { state: "not listed, about to go" }]);
  });

  test("is listed, and left out since its provider was registered anew", async () => {
    const world = await openStopped({
      spec: { instances: { selector: { matchLabels: { env: "prod" } } } },
      services: { ...two, "demo.A": [instanceAt("10.42.0.1:20880", "dubbo", { facts: { env: "prod" } })] },
    });
    world.registry().set("demo.A", [instanceAt("10.42.0.1:20880", "dubbo", { facts: { env: "test" } })]);
    const { lines, report } = await explained(world);
    expect(lines[0]).toBe("demo.a.demo has 1 endpoint that the hub leaves out");
    expect(lines[1]).toBe(
      "cause: RegistryHub demo/hub leaves out 10.42.0.1:20880 (spec.instances.selector leaves it out); the operator has not followed yet",
    );
    expect(report.endpoints).toMatchObject([{ state: "left out, about to go" }]);
  });

  test("is no longer asked for: spec.services leaves it out, and the brake holds it", async () => {
    const world = await openServed({ services: ten });
    edit(world, { services: { exclude: ["demo.S0", "demo.S1", "demo.S2", "demo.S3"] } });
    await world.advance(2 * minute);
    const { lines, report } = await explained(world, "demo.s0.demo");
    expect(lines[0]).toBe("demo.s0.demo has 1 endpoint that the hub leaves out");
    expect(lines).toContain("    demo/hub   is not asked for it: spec.services leaves it out");
    expect(report.endpoints).toMatchObject([
      { state: expect.stringMatching(/^left out, kept: hold until \S+Z \(Shrunk\)$/) },
    ]);
  });

  test("is kept where a part of the service cannot be read", async () => {
    const world = await openServed();
    const partial = { ...serviceOf("demo.A", ["10.42.0.9:20880"]), isPartial: true as const };
    world.registry().listsServices([partial]);
    await world.advance(10 * second);
    const { report, lines } = await explained(world);
    expect(report.endpoints).toMatchObject([
      { address: "10.42.0.1:20880", state: "not listed, kept: not all can be read" },
      { address: "10.42.0.9:20880", state: "listed" },
    ]);
    expect(lines).toContain("    demo/hub   not all of it can be read");
  });

  test("stays listed where another hub lists it", async () => {
    const world = await openDisagreeing();
    const { isFine, report } = await explained(world);
    expect(report.endpoints).toMatchObject([{ by: ["demo/hub", "demo/other"], state: "listed" }]);
    expect(isFine).toBe(true);
  });
});

describe("an instance that is no endpoint", () => {
  test("is lacking when the operator has not written it", async () => {
    const world = await openStopped();
    world.registry().set("demo.A", ["10.42.0.1:20880", "10.42.0.8:20880", "10.42.0.9:20880"]);
    const { lines } = await explained(world);
    expect(lines[0]).toBe("demo.a.demo lacks 2 instances that the registry lists");
    expect(lines[1]).toBe(
      "cause: the registry of RegistryHub demo/hub, read now, lists 10.42.0.8:20880 and 1 more; the operator has not followed yet",
    );
  });

  test("is left out by a selector, a share, its address or its protocol, and each is told", async () => {
    const world = await openServed({
      spec: {
        instances: {
          selector: { matchLabels: { env: "prod" } },
          shares: [{ name: "canary", selector: { matchLabels: { tag: "gray" } }, percent: 0 }],
        },
      },
      services: {
        "demo.A": [
          instanceAt("10.42.0.1:20880", "dubbo", { facts: { env: "prod" } }),
          instanceAt("10.42.0.2:20880", "dubbo", { facts: { env: "test" } }),
          instanceAt("10.42.0.3:20880", "dubbo", { facts: { env: "prod", tag: "gray" } }),
          instanceAt("127.0.0.1:20880", "dubbo", { facts: { env: "prod" } }),
          instanceAt("10.42.0.4:50051", "dubbo", { facts: { env: "prod" }, protocol: "grpc" }),
        ],
      },
    });
    const { report } = await explained(world);
    expect(report.registries).toMatchObject([
      {
        instances: [
          { address: "10.42.0.1:20880", leftOut: "" },
          { address: "10.42.0.2:20880", leftOut: "spec.instances.selector leaves it out" },
          { address: "10.42.0.3:20880", leftOut: "spec.instances.shares gives it 0 %" },
          { address: "127.0.0.1:20880", leftOut: expect.stringMatching(/^BadAddress: ./) },
          { address: "10.42.0.4:50051", leftOut: "it speaks grpc, and the entry dubbo" },
        ],
      },
    ]);
    expect(report.findings).not.toContainEqual(
      expect.objectContaining({ effect: expect.stringMatching(/^lacks 1 /) }),
    );
  });

  test("of another version is of another host", async () => {
    const world = await openStopped();
    world
      .registry()
      .set("demo.A", ["10.42.0.1:20880", instanceAt("10.42.0.2:20880", "dubbo", { version: "2.0.0" })]);
    const { report, isFine } = await explained(world);
    expect(report.registries).toMatchObject([{ instances: [{ address: "10.42.0.1:20880" }] }]);
    expect(isFine).toBe(true);
  });

  test("leaves the entry empty, and the first lines say that it is registered", async () => {
    const world = await openServed({
      spec: { instances: { selector: { matchLabels: { env: "prod" } } } },
      services: { ...two, "demo.A": [instanceAt("10.42.0.1:20880", "dubbo", { facts: { env: "prod" } })] },
    });
    world.registry().set("demo.A", [instanceAt("10.42.0.1:20880", "dubbo", { facts: { env: "test" } })]);
    await world.advance(10 * second);
    const { lines } = await explained(world);
    expect(lines[1]).toMatch(
      /lists no instance of demo\.A since \S+Z; its registry, read now, lists 1 instance, and none that can be used: 10\.42\.0\.1:20880: spec\.instances\.selector leaves it out$/,
    );
  });
});

describe("a service without an entry", () => {
  test("that the registry does not have", async () => {
    const world = await openStopped();
    const { lines } = await explained(world, "demo.None");
    expect(lines[1]).toBe(
      "cause: RegistryHub demo/hub is Ready, and its registry, read now, lists no instance of it",
    );
  });

  test("that a selector leaves out", async () => {
    const world = await openStopped({
      spec: { instances: { selector: { matchLabels: { env: "prod" } } } },
    });
    const { lines } = await explained(world, "demo.a.demo");
    expect(lines[1]).toMatch(
      /lists 1 instance, and none that can be used: .*: spec\.instances\.selector leaves it out$/,
    );
    expect(lines[2]).toMatch(/^fix: {3}Change what the provider registers, or spec\.instances: kubectl edit/);
  });

  test("that cannot be read", async () => {
    const world = await openStopped({ services: { "demo.A": "unknown" } });
    expect((await explained(world)).lines[1]).toMatch(/has it, and it cannot be read$/);
  });

  test("that was registered a moment ago", async () => {
    const world = await openStopped();
    world.registry().set("my_service", ["10.42.0.7:9000"], "spring");
    const { lines } = await explained(world, "my_service");
    expect(lines[1]).toMatch(/read now, lists 10\.42\.0\.7:9000$/);
    expect(lines[2]).toMatch(/^fix: {3}Wait some seconds/);
  });

  test("that spec.services leaves out, whatever the registry has", async () => {
    const world = await openStopped({ spec: { services: { exclude: ["demo.B"] } } });
    expect((await explained(world, "demo.B")).lines[1]).toBe(
      "cause: spec.services of RegistryHub demo/hub leaves the service out",
    );
  });
});

describe("a registry that cannot be read from here", () => {
  test("is told of, the rest is explained, and nothing is concluded", async () => {
    const world = await openStopped();
    world.registry().fail();
    const { isFine, isKnown, lines, report, answer } = await explained(world);
    expect([isFine, isKnown]).toEqual([true, false]);
    expect(lines).toContain(
      "    demo/hub   not read: zk:2181, from here: RegistryUnreachable: zk:2181 cannot be reached. Check spec.address.",
    );
    expect(report.endpoints).toMatchObject([{ state: "listed" }]);
    expect(answer).toMatch(/; the registry of demo\/hub was not read\.$/);
  });

  test("is waited for only so long", async () => {
    const world = await openStopped();
    world.registry().beSilent();
    const explaining = explained(world);
    await world.advance(59 * second);
    expect(world.registry().isWatched).toBe(true);
    await world.advance(second);
    expect((await explaining).report.registries).toMatchObject([
      { unread: expect.stringContaining("has not told everything in time") },
    ]);
    expect(world.registry().isWatched).toBe(false);
  });

  test("is one of two that vouch: what the other does not list may be there", async () => {
    const world = await openDisagreeing();
    world.registry("zk2:2181").fail();
    const { report } = await explained(world);
    expect(report.endpoints).toMatchObject([{ state: "listed" }]);
    expect(report.findings).toEqual([]);
  });

  test("has a Secret that the person may not get, or may", async () => {
    const world = openWorld();
    world.registry().lists(two);
    world.person.put({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { namespace: "demo", name: "login" },
      data: { token: Buffer.from("t0ken").toString("base64") },
    });
    world.person.put(hub({ secretRef: { name: "login" } }));
    await world.hubController.start();
    await world.dubboController.start();
    await world.advance(10 * second);
    const allow = world.api.forbid({ resource: "secrets", user: "alice" });
    const [unread] = (await explained(world)).report.registries as readonly { readonly unread: string }[];
    expect(unread?.unread).toMatch(
      /^the Secret of RegistryHub demo\/hub: SecretInvalid: .*cannot get resource "secrets".* Ask for that right, or give/,
    );
    allow();
    expect(await explained(world)).toMatchObject({ isKnown: true, isFine: true });
    expect(world.registry().opened.at(-1)?.credentials).toEqual({ token: "t0ken" });
  });

  test("is of a hub that this version cannot read", async () => {
    const world = await openStopped();
    world.person.edit("registryhubs", "demo/hub", (object) => ({
      ...object,
      spec: { ...object.spec, type: "etcd" },
    }));
    expect((await explained(world)).report.registries).toMatchObject([
      { unread: expect.stringContaining('spec.type "etcd" is not one of') },
    ]);
  });

  test("has a bug in its reader, which is shouted", async () => {
    const world = await openStopped();
    world.registry().haveBug(new TypeError("oops"));
    await expect(explainRead(world, "demo.A")).rejects.toThrow(TypeError);
  });
});

test("no more than eight registries are read for one name", async () => {
  const world = await openStopped();
  for (let at = 0; at < 9; at++) {
    const address = `zk${at}:2181`;
    world.registry(address).lists({});
    world.person.put(hub({ address }, { name: `more-${at}` }));
  }
  const { isKnown, report } = await explained(world, "demo.None");
  expect(isKnown).toBe(false);
  const unread = report.registries.filter((one) => "unread" in one && one.unread !== "");
  expect(unread).toHaveLength(2);
  expect(unread[0]).toMatchObject({ unread: expect.stringMatching(/^10 hubs may have it/) });
});

test.each([
  ["hub", /is a RegistryHub: `preview --diff`/],
  ["10.42.0.1:20880", /is an address: name a host/],
])("of %s a registry is not asked, and that is said", async (what, message) => {
  const world = await openStopped();
  const asking = explainRead(world, what);
  await expect(asking).rejects.toThrow(UsageError);
  await expect(asking).rejects.toThrow(message);
});
