import { describe, expect, test } from "vitest";
import { type Answer, failure, typeMissing } from "../fakes/api-server/answer.ts";
import { entryOf, statusOf, writesSince } from "./looks.ts";
import { calledByMtls, mtls, one, openWithPods, pod, run, warnings } from "./pods.ts";
import { edit } from "./scenes.ts";
import { home, hub, minute, openWorld, second, type World } from "./world.ts";

const about = { resource: "pods" } as const;

describe("what cannot be read now", () => {
  test.each(["pods", "peerauthentications"] as const)(
    "keeps its endpoints as they are: no right to %s after a restart",
    async (resource) => {
      const world = await openWithPods();
      await world.hubController.stop();
      const end = world.api.forbid({ resource });
      run(world, pod("10.42.0.9"));
      world.registry().lists({ "demo.A": [...one["demo.A"], "10.42.0.3:20880"] });
      run(world, pod("10.42.0.3"));
      await world.hubController.start();
      await world.advance(2 * minute);
      expect(calledByMtls(world)).toEqual(["10.42.0.1"]); // neither the new one, nor the other pod
      expect(warnings(world)).toEqual(["IdentityUnknown"]);
      expect(statusOf(world).problems[0]?.problem).toContain(`cannot list resource "${resource}"`);
      end();
      await world.advance(1 * minute);
      expect(calledByMtls(world)).toEqual(["10.42.0.1", "10.42.0.3", "10.42.0.9"]);
      expect(warnings(world)).toEqual([]);
    },
  );

  test("is no warning for a hub that says none", async () => {
    const world = await openWithPods();
    world.api.forbid(about);
    await world.hubController.restart();
    edit(world, { identity: "none" });
    await world.advance(1 * minute);
    expect(warnings(world)).toEqual([]);
    expect(calledByMtls(world)).toEqual([]);
  });

  test("costs a restart no write", async () => {
    const world = await openWithPods();
    const since = world.writes().length;
    await world.hubController.restart();
    await world.advance(5 * minute);
    expect(writesSince(world, since)).toEqual([]);
  });

  test.each([
    ["pods", []],
    ["peerauthentications", []],
    ["pods", ["peerauthentications"]],
  ] as const)(
    "costs a restart no write, where the right to %s, and %j, is missing, either",
    async (...rights) => {
      const world = openWorld();
      for (const resource of rights.flat()) world.api.forbid({ resource });
      world.registry().lists(one);
      world.person.put(hub());
      await world.hubController.start();
      await world.advance(2 * minute);
      expect(warnings(world)).toEqual(["IdentityUnknown"]);
      const named = rights
        .flat()
        .map((name) => (name === "pods" ? name : `${name}.security.istio.io/v1beta1`));
      expect(statusOf(world).problems[0]?.problem).toContain(`may not read ${named.join(" and ")};`);
      const since = world.writes().length;
      await world.hubController.restart();
      await world.advance(5 * minute);
      expect(writesSince(world, since)).toEqual([]);
    },
  );

  test("is a type that is missing, where pods have a sidecar: it is told after a minute, and the endpoints stay", async () => {
    const world = await openWithPods();
    await world.hubController.stop();
    const end = world.api.refuse({ resource: "peerauthentications" }, typeMissing);
    await world.hubController.start();
    await world.advance(50 * second);
    expect(warnings(world)).toEqual([]);
    await world.advance(20 * second);
    expect(warnings(world)).toEqual(["IdentityUnknown"]);
    expect(statusOf(world).problems[0]?.problem).toContain(
      "has no peerauthentications.security.istio.io/v1beta1; install Istio's CRDs",
    );
    expect(calledByMtls(world)).toEqual(["10.42.0.1"]);
    const since = world.writes().length;
    await world.hubController.restart();
    await world.advance(5 * minute);
    expect(writesSince(world, since)).toEqual([]);
    end();
    await world.advance(1 * minute);
    expect(warnings(world)).toEqual([]);
  });

  test("keeps the label of an entry that somebody deletes, and no other's", async () => {
    const world = await openWithPods();
    await world.hubController.stop();
    world.api.forbid(about);
    run(world, pod("10.42.0.3"));
    await world.hubController.start();
    await world.advance(2 * minute);
    const name = entryOf(world, "demo.A")?.metadata.name;
    for (let at = 0; at < 2; at++) {
      world.person.delete("serviceentries", `${home}/${name}`);
      world.registry().lists({ "demo.A": [...one["demo.A"], "10.42.0.3:20880"] });
      await world.advance(1 * minute);
      expect(calledByMtls(world)).toEqual(["10.42.0.1"]);
    }
    world.registry().lists({ "demo.A": ["10.42.0.3:20880"] });
    await world.advance(1 * minute);
    world.person.delete("serviceentries", `${home}/${name}`);
    world.registry().lists(one); // whose address it is now, nobody knows
    await world.advance(1 * minute);
    expect(calledByMtls(world)).toEqual([]);
  });

  test.each([[false], [true]])(
    "keeps the label when its hub moves to another target, which has the host: %j",
    async (isThere) => {
      const world = await openWithPods();
      world.person.createNamespace("next");
      world.registry("zk2:2181").lists({ "demo.A": ["10.42.0.5:20880"] });
      if (isThere) world.person.put(hub({ address: "zk2:2181", generate_to: "next" }, { name: "other" }));
      await world.advance(2 * minute);
      await world.hubController.stop();
      world.api.forbid(about);
      await world.hubController.start();
      edit(world, { generate_to: "next" });
      await world.advance(2 * second);
      expect(calledByMtls(world, "next")).toEqual(["10.42.0.1"]);
      await world.advance(20 * minute);
      expect(entryOf(world, "demo.A")).toBeUndefined();
      expect(calledByMtls(world, "next")).toEqual(["10.42.0.1"]);
    },
  );

  test("is nothing where Istio has no such type, and no pod a sidecar", async () => {
    const world = openWorld();
    world.api.refuse({ resource: "peerauthentications" }, typeMissing);
    world.registry().lists(one);
    world.person.put(hub());
    await world.hubController.start();
    await world.advance(2 * minute);
    expect(warnings(world)).toEqual([]);
    expect(calledByMtls(world)).toEqual([]);
  });

  test("an edit of the label is repaired as soon as it is known", async () => {
    const world = await openWithPods();
    const end = world.api.goDown();
    await world.advance(10 * second);
    end();
    world.person.edit("serviceentries", `${home}/${entryOf(world, "demo.A")?.metadata.name}`, (object) => ({
      ...object,
      spec: {
        ...object.spec,
        endpoints:
          object.spec.endpoints?.map((each) => ({ ...each, labels: { ...each.labels, [mtls]: "istio" } })) ??
          [],
      },
    }));
    await world.advance(1 * minute);
    expect(calledByMtls(world)).toEqual(["10.42.0.1"]);
  });
});

describe("a list that is lost while the operator runs", () => {
  /** Breaks the watches, and has no new one opened. Returns how to end that. */
  function lose({ api }: World, resource: "pods" | "peerauthentications", answer: () => Answer): () => void {
    const end = api.refuse({ resource }, answer);
    for (const watch of api.watches(resource)) watch.end(new Error("cut"));
    return end;
  }
  const starting = (): Answer => failure(503, "ServiceUnavailable", "starting");

  test.each(["pods", "peerauthentications"] as const)(
    "leaves endpoints as they are, and new ones in plain text, and is told at once if it was a right: %s",
    async (resource) => {
      const world = await openWithPods();
      const end = lose(world, resource, () =>
        failure(403, "Forbidden", `cannot list resource "${resource}"`),
      );
      await world.advance(2 * second);
      expect(warnings(world)).toEqual(["IdentityUnknown"]);
      expect(statusOf(world).problems[0]?.problem).toContain(`cannot list resource "${resource}"`);
      world.person.delete("pods", "shop/cart-10.42.0.1");
      run(world, pod("10.42.0.3"));
      world.registry().lists({ "demo.A": [...one["demo.A"], "10.42.0.3:20880"] });
      await world.advance(5 * minute);
      expect(calledByMtls(world)).toEqual(["10.42.0.1"]);
      end();
      await world.advance(2 * minute);
      expect(warnings(world)).toEqual([]);
      expect(calledByMtls(world)).toEqual(["10.42.0.3"]);
    },
  );

  test("is told after a minute, in the same words, while the API server gives other reasons each time", async () => {
    const world = await openWithPods();
    let failures = 0;
    const end = lose(world, "pods", () => failure(503, "ServiceUnavailable", `attempt ${failures++}`));
    await world.advance(50 * second);
    expect(warnings(world)).toEqual([]);
    await world.advance(20 * second);
    expect(warnings(world)).toEqual(["IdentityUnknown"]);
    expect(statusOf(world).problems[0]?.problem).toContain("no current list of pods for more than a minute");
    const since = world.writes().length;
    await world.advance(60 * minute);
    expect(failures).toBeGreaterThan(60);
    expect(writesSince(world, since)).toEqual([]);
    end();
    await world.advance(1 * minute);
    expect(warnings(world)).toEqual([]);
  });

  test("changes nothing and is not told where it comes back soon", async () => {
    const world = await openWithPods();
    const since = world.writes().length;
    const end = lose(world, "pods", starting);
    await world.advance(30 * second);
    end();
    await world.advance(5 * minute);
    expect(writesSince(world, since)).toEqual([]);
  });

  test("changes nothing and is not told where its history is too old", async () => {
    const world = await openWithPods();
    const since = world.writes().length;
    for (let at = 0; at < 3; at++) {
      for (const watch of world.api.watches("pods")) watch.hang();
      world.person.edit("pods", "shop/cart-10.42.0.1", (object) => ({ ...object, probed: at }));
      world.api.compact();
      for (const watch of world.api.watches("pods")) watch.end(new Error("cut"));
      await world.advance(1 * minute);
    }
    expect(writesSince(world, since)).toEqual([]);
  });

  test("with the whole API server leaves endpoints as they are, and all comes right afterwards", async () => {
    const world = await openWithPods();
    const end = world.api.goDown();
    world.person.delete("pods", "shop/cart-10.42.0.1");
    run(world, pod("10.42.0.9"));
    await world.advance(10 * minute);
    end();
    await world.advance(2 * minute);
    expect(calledByMtls(world)).toEqual(["10.42.0.9"]);
    expect(warnings(world)).toEqual([]);
  });
});
