import { describe, expect, test } from "vitest";
import { entryOf } from "./looks.ts";
import { calledByMtls, disabled, one, openWithPods, pod, policy, run, warnings } from "./pods.ts";
import { edit } from "./scenes.ts";
import { home, hub, minute, openWorld, rootNamespace, second } from "./world.ts";

describe("an endpoint that is a pod with a sidecar", () => {
  test("is called by mTLS, and the others of its entry are not", async () => {
    const world = await openWithPods();
    expect(calledByMtls(world)).toEqual(["10.42.0.1"]);
    expect(warnings(world)).toEqual([]);
  });

  test.each([
    ["has no sidecar", pod("10.42.0.1", { hasSidecar: false })],
    ["has ended", pod("10.42.0.1", { phase: "Succeeded" })],
    ["is on the host's network", { ...pod("10.42.0.1"), spec: { hostNetwork: true } }],
    [
      "excludes the port",
      pod("10.42.0.1", { annotations: { "traffic.sidecar.istio.io/excludeInboundPorts": "20880" } }),
    ],
  ])("is not, if it %s", async (_, object) => {
    const world = await openWithPods([object]);
    expect(calledByMtls(world)).toEqual([]);
  });

  test("is not, where the hub says identity: none, from the edit on and back", async () => {
    const world = await openWithPods();
    edit(world, { identity: "none" });
    await world.advance(2 * second);
    expect(calledByMtls(world)).toEqual([]);
    edit(world, { identity: "auto" });
    await world.advance(2 * second);
    expect(calledByMtls(world)).toEqual(["10.42.0.1"]);
  });

  test("is not, where one of two hubs with it says none", async () => {
    const world = await openWithPods();
    world.registry("zk2:2181").lists({ "demo.A": ["10.42.0.1:20880"] });
    world.person.put(hub({ address: "zk2:2181", identity: "none" }, { name: "other" }));
    await world.advance(2 * minute);
    expect(calledByMtls(world)).toEqual([]);
  });

  test.each([
    ["its provider", "::ffff:10.42.0.1:20880", "10.42.0.1"],
    ["the cluster", "10.42.0.1:20880", "::ffff:10.42.0.1"],
  ])("is found where %s says its address in IPv6", async (_, registered, ip) => {
    const world = await openWithPods([pod(ip, { name: "cart" })]);
    world.registry().lists({ "demo.A": [registered] });
    await world.advance(2 * minute);
    expect(calledByMtls(world)).toHaveLength(1);
    world.person.delete("pods", "shop/cart"); // found by the look, too
    await world.advance(2 * minute);
    expect(calledByMtls(world)).toEqual([]);
  });

  test("is found when it is there only after its endpoint", async () => {
    const world = await openWithPods([]);
    expect(calledByMtls(world)).toEqual([]);
    run(world, pod("10.42.0.1"));
    await world.advance(2 * second);
    expect(calledByMtls(world)).toEqual(["10.42.0.1"]);
  });

  test("that is gone counts for a minute, and then no more", async () => {
    const world = await openWithPods();
    world.person.delete("pods", "shop/cart-10.42.0.1");
    await world.advance(50 * second);
    expect(calledByMtls(world)).toEqual(["10.42.0.1"]);
    await world.advance(20 * second);
    expect(calledByMtls(world)).toEqual([]);
  });

  test("and another one with its address is judged by what it is itself", async () => {
    const world = await openWithPods();
    world.person.delete("pods", "shop/cart-10.42.0.1");
    const excluding = { "traffic.sidecar.istio.io/excludeInboundPorts": "20880" };
    run(world, pod("10.42.0.1", { name: "next", annotations: excluding }));
    await world.advance(5 * second);
    expect(calledByMtls(world)).toEqual([]);
    world.person.delete("pods", "shop/next");
    run(world, pod("10.42.0.1", { name: "last" }));
    await world.advance(2 * minute);
    expect(calledByMtls(world)).toEqual(["10.42.0.1"]);
  });

  test("that ends, and is deleted then, counts for a minute, too", async () => {
    const world = await openWithPods();
    world.person.editStatus("pods", "shop/cart-10.42.0.1", (object) => ({
      ...object,
      status: { phase: "Succeeded" },
    }));
    await world.advance(20 * second);
    world.person.delete("pods", "shop/cart-10.42.0.1");
    await world.advance(30 * second);
    expect(calledByMtls(world)).toEqual(["10.42.0.1"]);
    await world.advance(20 * second);
    expect(calledByMtls(world)).toEqual([]);
  });

  test("that is gone says nothing of a new endpoint with its address, which may be another pod's", async () => {
    const world = await openWithPods([pod("10.42.0.3")]);
    world.person.delete("pods", "shop/cart-10.42.0.3");
    run(world, pod("10.42.0.3", { name: "plain", hasSidecar: false }));
    world.registry().lists({ "demo.A": [...one["demo.A"], "10.42.0.3:20880"] });
    await world.advance(2 * minute);
    expect(calledByMtls(world)).toEqual([]);
  });

  test("is the one that stays of two with one address, whichever is told of last", async () => {
    const world = await openWithPods();
    const excluding = { "traffic.sidecar.istio.io/excludeInboundPorts": "20880" };
    run(world, pod("10.42.0.1", { name: "lost", annotations: excluding }));
    await world.advance(5 * second);
    expect(calledByMtls(world)).toEqual(["10.42.0.1"]); // they disagree, so it stays as it is
    world.person.edit("pods", "shop/lost", (object) => ({ ...object, probed: true }));
    world.person.delete("pods", "shop/lost");
    await world.advance(2 * minute);
    expect(calledByMtls(world)).toEqual(["10.42.0.1"]);
  });

  test("is waited for where its list is late, so that no call is made in plain text before", async () => {
    const world = openWorld();
    const end = world.api.slow({ resource: "pods" }, 5 * second);
    world.person.createNamespace("shop");
    run(world, pod("10.42.0.1"));
    world.registry().lists(one);
    world.person.put(hub());
    await world.hubController.start();
    await world.advance(1 * second);
    expect(entryOf(world, "demo.A")).toBeUndefined();
    end();
    await world.advance(1 * minute);
    const entries = world.writes().filter(({ resource }) => resource === "serviceentries");
    expect(entries).toHaveLength(1);
    expect(calledByMtls(world)).toEqual(["10.42.0.1"]);
  });

  test("costs nothing while it only changes its version", async () => {
    const world = await openWithPods();
    const since = world.writes().length;
    for (let at = 0; at < 10; at++) {
      world.person.edit("pods", "shop/cart-10.42.0.1", (object) => ({ ...object, probed: at }));
      await world.advance(3 * second);
    }
    expect(world.writes(since)).toEqual([]);
  });
});

describe("a PeerAuthentication", () => {
  test.each([
    ["the namespace", policy(disabled)],
    ["the mesh", policy(disabled, rootNamespace)],
    ["the workload", policy({ selector: { matchLabels: { app: "cart" } }, ...disabled })],
    [
      "the port",
      policy({ selector: { matchLabels: { app: "cart" } }, portLevelMtls: { 20880: { mode: "DISABLE" } } }),
    ],
  ])("that disables mTLS for %s is followed, and its end", async (_, object) => {
    const world = await openWithPods();
    world.person.put(object);
    await world.advance(3 * second);
    expect(calledByMtls(world)).toEqual([]);
    world.person.delete("peerauthentications", `${object.metadata.namespace}/policy`);
    await world.advance(3 * second);
    expect(calledByMtls(world)).toEqual(["10.42.0.1"]);
  });

  test("for others changes nothing", async () => {
    const world = await openWithPods();
    const since = world.writes().length;
    world.person.put(policy({ mtls: { mode: "STRICT" } }));
    world.person.put(policy(disabled, home));
    await world.advance(1 * minute);
    expect(calledByMtls(world)).toEqual(["10.42.0.1"]);
    expect(world.writes(since)).toEqual([]);
  });
});
