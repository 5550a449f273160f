import { describe, expect, test } from "vitest";
import { carryOut, type Hands, refusalsOf } from "../../../src/cli/uninstall/carry-out.ts";
import { type UninstallPlan, uninstallPlan } from "../../../src/cli/uninstall/plan.ts";
import { lookForOurs } from "../../../src/cli/uninstall/read.ts";
import { planLines } from "../../../src/cli/uninstall/view.ts";
import { openServed } from "../../controllers/scenes.ts";
import { hub, hubKey, minute, rootNamespace, type World } from "../../controllers/world.ts";
import { accessTo } from "../../support/commands.ts";

const places = { rootNamespace, leaderElectNamespace: rootNamespace };

/** Whoever runs the command; its pauses let time pass for the controllers, too. */
function handsIn(world: World, look = () => planIn(world)): Hands & { readonly said: string[] } {
  const { client, signal } = accessTo(world);
  const said: string[] = [];
  const clock = { sleep: (ms: number) => world.advance(ms) };
  return { client, signal, clock, look, said, tell: (line) => void said.push(line) };
}

async function planIn(world: World): Promise<UninstallPlan> {
  await world.settle();
  const { found } = await lookForOurs(accessTo(world).client, places);
  return uninstallPlan(found, rootNamespace, world.clock.now());
}

const kinds = ({ steps }: UninstallPlan): readonly string[] =>
  steps.map(({ resource, objects }) => `${resource.kind} ${objects.length}`);

const left = ({ person }: World): readonly string[] =>
  (["registryhubs", "serviceentries", "envoyfilters", "destinationrules"] as const).flatMap((resource) =>
    person.list(resource).map(({ metadata }) => metadata.name),
  );

describe("what would be deleted", () => {
  test("is all that the operator made, hubs first and filters last", async () => {
    const world = await openServed();
    const plan = await planIn(world);
    expect(kinds(plan)).toEqual([
      "RegistryHub 1",
      "ServiceEntry 2",
      "DestinationRule 0",
      "EnvoyFilter 3",
      "Lease 0",
    ]);
    expect(planLines(plan, [], false)[0]).toBe("2 hosts with 2 endpoints stop being reachable in the mesh.");
  });

  test("is nothing that only has a label of ours", async () => {
    const world = await openServed();
    const [entry] = world.person.list("serviceentries");
    const [filter] = world.person.list("envoyfilters");
    for (const one of [entry, filter]) {
      if (one === undefined) throw new Error("there is none");
      const { labels = {}, annotations = {}, namespace = "" } = one.metadata;
      world.person.put({ ...one, metadata: { namespace, name: "copy", labels, annotations } });
    }
    const plan = await planIn(world);
    expect(kinds(plan)).toEqual([
      "RegistryHub 1",
      "ServiceEntry 2",
      "DestinationRule 0",
      "EnvoyFilter 3",
      "Lease 0",
    ]);
    expect(plan.left.map(({ object }) => object)).toEqual([
      "ServiceEntry demo/copy",
      `EnvoyFilter ${rootNamespace}/copy`,
    ]);
  });

  test("is no filter of a dubbo-controller with another root namespace", async () => {
    const world = await openServed();
    const { found } = await lookForOurs(accessTo(world).client, places);
    const plan = uninstallPlan(found, "servicemesh", world.clock.now());
    expect(kinds(plan)).toContain("EnvoyFilter 0");
    expect(plan.left[0]?.why).toContain("another --root-namespace than servicemesh");
  });

  test("is a Lease that nobody holds", async () => {
    const world = await openServed();
    const lease = (name: string, renewTime: string) =>
      world.person.put({
        apiVersion: "coordination.k8s.io/v1",
        kind: "Lease",
        metadata: { namespace: rootNamespace, name },
        spec: { holderIdentity: "pod_1", leaseDurationSeconds: 15, renewTime },
      });
    lease("registryhub", new Date(world.clock.now()).toISOString());
    lease("dubbo-controller", new Date(world.clock.now() - minute).toISOString());
    lease("somebody-else", new Date(0).toISOString());
    const plan = await planIn(world);
    expect(plan.steps.at(-1)?.objects.map(({ metadata }) => metadata.name)).toEqual(["dubbo-controller"]);
    expect(plan.running).toEqual(["registryhub (pod_1)"]);
  });
});

describe("deleting it", () => {
  test.each(["run", "are gone"])("leaves nothing while the controllers %s, and later", async (state) => {
    const world = await openServed();
    if (state === "are gone") {
      await world.hubController.stop();
      await world.dubboController.stop();
    }
    expect(await carryOut(await planIn(world), handsIn(world))).toEqual([]);
    expect(left(world)).toEqual([]);
    await world.advance(20 * minute);
    expect(left(world)).toEqual([]);
  });

  test("takes no filter away before its entry", async () => {
    const world = await openServed();
    const hands = handsIn(world);
    await carryOut(await planIn(world), hands);
    const deleted = world.writes().filter(({ verb, user }) => verb === "delete" && user === "alice");
    const order = deleted.map(({ resource }) => resource);
    expect([...new Set(order)].slice(0, 2)).toEqual(["registryhubs", "serviceentries"]);
    expect(order.indexOf("serviceentries")).toBeGreaterThan(order.lastIndexOf("registryhubs"));
    expect(hands.said[0]).toBe("deleted 1 registryhubs");
  });

  test("stops before the entries when hubs come back", async () => {
    const world = await openServed();
    const again = async (): Promise<UninstallPlan> => {
      world.person.put(hub()); // as Argo CD does
      return planIn(world);
    };
    const remaining = await carryOut(await planIn(world), handsIn(world, again));
    expect(remaining).toEqual([
      { object: `RegistryHub ${hubKey}`, why: expect.stringContaining("comes back") },
    ]);
    expect(world.person.list("serviceentries")).toHaveLength(2);
    expect(world.person.list("envoyfilters")).toHaveLength(3);
  });

  test("begins only if every right is there", async () => {
    const world = await openServed();
    world.api.forbid({ resource: "envoyfilters", verb: "delete", user: "alice" });
    const refusals = await refusalsOf(await planIn(world), handsIn(world));
    expect(refusals.map(({ message }) => message)).toEqual([
      expect.stringMatching(/cannot delete .*envoyfilters/),
    ]);
    expect(left(world)).toHaveLength(6);
  });

  test("stops at what a finalizer keeps", async () => {
    const world = await openServed();
    world.person.edit("registryhubs", hubKey, (object) => ({
      ...object,
      metadata: { ...object.metadata, finalizers: ["example.com/keep"] },
    }));
    const remaining = await carryOut(await planIn(world), handsIn(world));
    expect(remaining).toEqual([{ object: `RegistryHub ${hubKey}`, why: "a finalizer keeps it" }]);
    expect(world.person.list("serviceentries")).toHaveLength(2);
  });
});
