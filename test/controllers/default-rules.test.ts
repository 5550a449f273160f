import { describe, expect, test } from "vitest";
import type { DestinationRule } from "../../src/model/istio.ts";
import type { RegistryHub } from "../../src/model/registryhub.ts";
import { hubIdOf } from "../../src/translate/names.ts";
import { failure } from "../fakes/api-server/answer.ts";
import { statusOf } from "./looks.ts";
import { edit } from "./scenes.ts";
import { home, hub, hubKey, minute, openWorld, rootNamespace, second, type World } from "./world.ts";

const ruleKey = `${home}/registryhub-defaults`;
const asking: Partial<RegistryHub["spec"]> = { type: "eureka", outlierDetection: true };
const minutes = 2 * minute; // a hub that is missing is gone after one

const rule = ({ person }: World): DestinationRule | undefined => person.get("destinationrules", ruleKey);
/** The keys of the hubs that the rule names in labels; undefined = there is no rule. */
const hubsOf = (world: World, keys: readonly string[] = [hubKey]): readonly string[] | undefined => {
  const found = rule(world);
  return (
    found && keys.filter((key) => found.metadata.labels?.[`hub.ecns.easystack.cn/${hubIdOf(key)}`] === "")
  );
};
const problems = (world: World): readonly string[] =>
  statusOf(world).problems.map(({ at, problem, severity }) => `${severity} ${at} ${problem}`);
const codes = (world: World): readonly string[] =>
  statusOf(world).problems.map(({ problem }) => problem.split(":")[0] ?? "");
const ruleWrites = ({ api }: World, since = 0): readonly string[] =>
  api
    .writes({ resource: "destinationrules" })
    .slice(since)
    .map(({ verb, name, code }) => `${verb} ${name} ${code}`);

/** Somebody else's rule. */
const theirs = (host: string, namespace = home, name = "theirs") => ({
  apiVersion: "networking.istio.io/v1beta1",
  kind: "DestinationRule",
  metadata: { namespace, name },
  spec: { host },
});

interface Scene {
  readonly spec?: Partial<RegistryHub["spec"]>;
  readonly prepare?: (world: World) => void;
}

async function open({ spec = asking, prepare }: Scene = {}): Promise<World> {
  const world = openWorld();
  prepare?.(world);
  world.person.put(hub(spec));
  await world.hubController.start();
  await world.advance(15 * second);
  return world;
}

const notListed = { resource: "destinationrules", verb: "list", user: "registryhub" } as const;

describe("a hub that says outlierDetection: true", () => {
  test("has one DestinationRule in its target", async () => {
    const world = await open();
    expect(rule(world)).toMatchObject({
      metadata: { labels: { "app.kubernetes.io/managed-by": "registryhub" } },
      spec: {
        host: "*.demo",
        trafficPolicy: {
          connectionPool: { tcp: { connectTimeout: "1500ms" } },
          outlierDetection: {
            splitExternalLocalOriginErrors: true,
            consecutiveLocalOriginFailures: 3,
            consecutive5xxErrors: 0,
            consecutiveGatewayErrors: 0,
            interval: "5s",
            baseEjectionTime: "10s",
            maxEjectionPercent: 100,
          },
          loadBalancer: { localityLbSetting: { enabled: false } },
        },
      },
    });
    expect(hubsOf(world)).toEqual([hubKey]);
    expect(codes(world)).toEqual([]);
    expect(ruleWrites(world)).toEqual(["patch registryhub-defaults 201"]);
  });

  test.each([
    ["says nothing", { type: "eureka" }],
    ["says false", { type: "eureka", outlierDetection: false }],
    ["can have no Spring hosts", { type: "zookeeper", outlierDetection: true }],
    ["only observes", { ...asking, policy: "observe" }],
    ["is suspended", { ...asking, suspend: true }],
  ] as const)("has none if it %s", async (_, spec) => {
    const world = await open({ spec });
    expect(rule(world)).toBeUndefined();
    expect(codes(world)).toEqual([]);
  });

  test("keeps it when it is suspended or only observes, and loses it when it says so no more", async () => {
    const world = await open();
    edit(world, { suspend: true });
    await world.advance(minutes);
    expect(hubsOf(world)).toEqual([hubKey]);
    edit(world, { suspend: false, policy: "observe" });
    await world.advance(minutes);
    expect(hubsOf(world)).toEqual([hubKey]);
    edit(world, { policy: "sync", outlierDetection: false });
    await world.advance(1 * second);
    expect(rule(world)).toBeUndefined();
  });

  test("keeps it while its spec cannot be read, and when the operator starts again meanwhile", async () => {
    const world = await open();
    edit(world, { address: "not an address" });
    await world.advance(minutes);
    await world.hubController.restart();
    await world.advance(minutes);
    expect(hubsOf(world)).toEqual([hubKey]);
    expect(ruleWrites(world)).toHaveLength(1);
  });

  test("takes it along into another target", async () => {
    const world = await open();
    world.person.createNamespace("other", { "ecns.easystack.cn/allow-registryhubs-from": "*" });
    edit(world, { generate_to: "other" });
    await world.advance(1 * second);
    expect(
      world.person.list("destinationrules").map(({ metadata, spec }) => [metadata.namespace, spec.host]),
    ).toEqual([["other", "*.other"]]);
  });

  test("leaves it where it is while it changes nothing, or may not go where it wants to", async () => {
    const world = openWorld();
    world.person.put(hub(asking));
    await world.hubController.start({ allowCrossNamespace: false });
    await world.advance(15 * second);
    edit(world, { generate_to: "other" });
    await world.advance(minutes);
    expect(hubsOf(world)).toEqual([hubKey]);
    edit(world, { suspend: true });
    world.person.createNamespace("other", { "ecns.easystack.cn/allow-registryhubs-from": "*" });
    await world.advance(minutes);
    expect(hubsOf(world)).toEqual([hubKey]);
    edit(world, { suspend: false });
    await world.advance(1 * second);
    expect(world.person.list("destinationrules").map(({ metadata }) => metadata.namespace)).toEqual([
      "other",
    ]);
  });

  test("keeps it while its spec cannot be read and somebody takes its name out of the rule", async () => {
    const world = await open();
    edit(world, { address: "not an address" });
    world.person.edit("destinationrules", ruleKey, (one) => ({
      ...one,
      metadata: { ...one.metadata, annotations: {} },
    }));
    await world.advance(minutes);
    expect(hubsOf(world)).toEqual([hubKey]);
  });

  test("says nothing of a write that fails once", async () => {
    const world = openWorld();
    const patch = { resource: "destinationrules", verb: "patch" } as const;
    const end = world.api.refuse(patch, () => failure(500, "InternalError", "etcd is slow"));
    world.person.put(hub(asking));
    await world.hubController.start();
    await world.advance(1 * second);
    end();
    await world.advance(1 * minute);
    expect(hubsOf(world)).toEqual([hubKey]);
    const statuses = world.api.writes({ resource: "registryhubs" }).map((one) => JSON.stringify(one));
    expect(statuses.filter((one) => one.includes("NoDestinationRule"))).toEqual([]);
  });

  test("shares it with others of its target, and it ends with the last one, a minute after its deletion", async () => {
    const world = await open();
    world.person.put(hub({ ...asking, address: "second" }, { name: "second" }));
    await world.advance(1 * second);
    const keys = [hubKey, `${home}/second`];
    expect(hubsOf(world, keys)).toEqual(keys);
    world.person.delete("registryhubs", hubKey);
    await world.advance(minutes);
    expect(hubsOf(world, keys)).toEqual([`${home}/second`]);
    world.person.delete("registryhubs", `${home}/second`);
    await world.advance(50 * second);
    expect(hubsOf(world, keys)).toEqual([`${home}/second`]);
    await world.advance(minutes);
    expect(rule(world)).toBeUndefined();
  });

  test("keeps it over a re-creation, also while the operator is down", async () => {
    const world = await open();
    world.person.delete("registryhubs", hubKey);
    await world.advance(10 * second);
    await world.hubController.restart();
    await world.advance(10 * second);
    world.person.put(hub(asking));
    await world.advance(minutes);
    expect(ruleWrites(world)).toHaveLength(1);
    expect(hubsOf(world)).toEqual([hubKey]);
  });

  test("has it repaired when somebody edits or deletes it", async () => {
    const world = await open();
    world.person.edit("destinationrules", ruleKey, (one) => ({
      ...one,
      spec: { ...one.spec, trafficPolicy: {} },
    }));
    await world.advance(1 * second);
    expect(rule(world)?.spec.trafficPolicy).toHaveProperty("outlierDetection");
    world.person.delete("destinationrules", ruleKey);
    await world.advance(1 * second);
    expect(hubsOf(world)).toEqual([hubKey]);
  });

  test("has none in a namespace that does not take the hub's entries, until it does", async () => {
    const world = openWorld();
    world.person.createNamespace("other");
    world.person.put(hub({ ...asking, generate_to: "other" }));
    await world.hubController.start({ allowCrossNamespace: false });
    await world.advance(15 * second);
    expect(world.person.list("destinationrules")).toEqual([]);
    world.person.edit("namespaces", "other", (one) => ({
      ...one,
      metadata: { ...one.metadata, annotations: { "ecns.easystack.cn/allow-registryhubs-from": home } },
    }));
    await world.advance(1 * second);
    expect(world.person.list("destinationrules")).toHaveLength(1);
  });

  test("shares the rule with a hub of another lane, whichever process writes", async () => {
    const world = openWorld();
    const [gold, grey] = [world.lane("gold"), world.lane("grey")];
    for (const name of ["gold", "grey"])
      world.person.put(hub({ ...asking, address: name }, { name, labels: { lane: name } }));
    await gold.start();
    await grey.start({ vipCidr: "240.242.0.0/16" });
    await world.advance(minutes);
    const keys = [`${home}/gold`, `${home}/grey`];
    expect(hubsOf(world, keys)).toEqual(keys);
    const writes = ruleWrites(world).length;
    await world.advance(minutes);
    expect(ruleWrites(world)).toHaveLength(writes);
    world.person.edit("registryhubs", keys[0] as string, (one) => ({
      ...one,
      spec: { ...one.spec, outlierDetection: false },
    }));
    await world.advance(minutes);
    expect(hubsOf(world, keys)).toEqual([keys[1]]);
  });
});

describe("somebody else's rule", () => {
  test.each([
    ["for the same hosts", theirs("*.demo")],
    ["for one of them", theirs("a.b.demo")],
    ["for all hosts, of the mesh's administrator", theirs("*", rootNamespace)],
  ])("%s is told, and the operator makes none until it goes", async (_, object) => {
    const world = await open({ prepare: ({ person }) => void person.put(object) });
    const { namespace, name } = object.metadata;
    expect(problems(world)).toEqual([
      `warning demo NoDestinationRule: DestinationRule ${namespace}/${name} is for hosts of demo, so the operator makes none for *.demo; delete it, or have a rule of your own for *.demo detect outliers`,
    ]);
    expect(ruleWrites(world)).toEqual([]);
    world.person.delete("destinationrules", `${namespace}/${name}`);
    await world.advance(15 * second);
    expect(hubsOf(world)).toEqual([hubKey]);
    expect(codes(world)).toEqual([]);
  });

  test("of our name is told as such", async () => {
    const named = theirs("elsewhere.example", home, "registryhub-defaults");
    const world = await open({ prepare: ({ person }) => void person.put(named) });
    expect(problems(world)).toEqual([
      `warning demo NoDestinationRule: DestinationRule ${ruleKey} is somebody else's and has the name of the operator's; rename it`,
    ]);
    expect(ruleWrites(world)).toEqual([]);
  });

  test("that detects outliers of all these hosts does what ours would do, and is nothing to tell", async () => {
    const ejecting = { host: "*.demo", trafficPolicy: { outlierDetection: { consecutive5xxErrors: 3 } } };
    const world = await open({ prepare: ({ person }) => void person.put({ ...theirs(""), spec: ejecting }) });
    expect(codes(world)).toEqual([]);
    expect(ruleWrites(world)).toEqual([]);
  });

  test("is in the way of ours, which may not be deleted: that is told", async () => {
    const world = await open();
    world.api.forbid({ resource: "destinationrules", verb: "delete", user: "registryhub" });
    world.person.put(theirs("*", rootNamespace));
    await world.advance(15 * second);
    expect(problems(world)).toEqual([expect.stringMatching(/^warning demo NoRight: .* is not deleted/)]);
  });

  test.each([
    ["of another namespace", theirs("*.demo", "default")],
    ["for other hosts", theirs("*.demo.example")],
    ["for a Service of the namespace", theirs("demo")],
  ])("%s is nothing to the operator", async (_, object) => {
    const world = await open({ prepare: ({ person }) => void person.put(object) });
    expect(hubsOf(world)).toEqual([hubKey]);
  });

  test("that comes later is the one that counts: ours would hide it", async () => {
    const world = await open();
    world.person.put(theirs("*", rootNamespace));
    await world.advance(15 * second);
    expect(rule(world)).toBeUndefined();
    expect(codes(world)).toEqual(["NoDestinationRule"]);
  });

  test("without a readable host, and with odd fields, hurts nobody", async () => {
    const world = await open({
      prepare: ({ person }) => {
        person.put({ ...theirs("*"), spec: { host: 7 } });
        person.put({ ...theirs("*", home, "second"), spec: "odd" });
      },
    });
    expect(hubsOf(world)).toEqual([hubKey]);
  });
});

describe("without the right to DestinationRules", () => {
  test("nobody hears of it before a hub asks; then it is told, and the grant is used within seconds", async () => {
    const world = openWorld();
    const allow = world.api.forbid(notListed);
    world.person.put(hub({ type: "eureka" }));
    await world.hubController.start();
    await world.advance(15 * second);
    expect(codes(world)).toEqual([]);
    expect(
      world.hubController.log.filter(({ fields }) => JSON.stringify(fields).includes("destinationrules")),
    ).toEqual([]);
    edit(world, { outlierDetection: true });
    await world.advance(15 * second);
    expect(problems(world)).toEqual([
      expect.stringMatching(/^warning demo NoRight: the operator may not list/),
    ]);
    allow();
    await world.advance(15 * second);
    expect(hubsOf(world)).toEqual([hubKey]);
    expect(codes(world)).toEqual([]);
  });

  test("to write them, too, and what admission says is told as such", async () => {
    const written = { ...notListed, verb: "patch" } as const;
    const world = openWorld();
    const allow = world.api.forbid(written);
    world.person.put(hub(asking));
    await world.hubController.start();
    await world.advance(15 * second);
    expect(problems(world)).toEqual([expect.stringMatching(/^warning demo NoRight: .*not written/)]);
    const denied = 'admission webhook "policy.example" denied the request: no outlier detection here';
    allow();
    world.api.refuse(written, () => failure(403, "Forbidden", denied));
    await world.advance(20 * minute);
    expect(problems(world)).toEqual([
      expect.stringMatching(/^warning demo NoDestinationRule: .*policy.example/),
    ]);
  });

  test("the rule that exists stays when the right is taken away", async () => {
    const world = await open();
    world.api.forbid(notListed);
    await world.hubController.restart();
    await world.advance(minutes);
    expect(hubsOf(world)).toEqual([hubKey]);
    expect(codes(world)).toEqual(["NoRight"]);
  });
});
