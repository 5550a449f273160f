import { expect, test } from "vitest";
import { PodsByIp } from "../../../../src/controllers/hub/pods-by-ip.ts";
import type { MeshPod } from "../../../../src/model/mesh-pod.ts";

const pod = (name: string, ips: string, resourceVersion = "1", port = 0): MeshPod => ({
  metadata: { name: `shop/${name}`, resourceVersion },
  ips,
  traits: { namespace: "shop", labels: {}, inbound: { excluded: [port] } },
});

test("a pod is found by each of its addresses, until it is gone", () => {
  const pods = new PodsByIp();
  const two = pod("a", "10.0.0.1,fd00::1");
  expect(pods.take("shop/a", two)).toEqual({ had: [], has: ["10.0.0.1", "fd00::1"], isSame: false });
  expect([pods.at("10.0.0.1"), pods.at("fd00::1"), pods.at("10.0.0.2")]).toEqual([[two], [two], []]);
  expect(pods.take("shop/a", undefined)).toMatchObject({ had: ["10.0.0.1", "fd00::1"], has: [] });
  expect([pods.at("10.0.0.1"), pods.at("fd00::1")]).toEqual([[], []]);
});

test("another version of a pod is the same, and the newest is what is kept", () => {
  const pods = new PodsByIp();
  pods.take("shop/a", pod("a", "10.0.0.1"));
  const next = pod("a", "10.0.0.1", "2");
  expect(pods.take("shop/a", next).isSame).toBe(true);
  expect(pods.at("10.0.0.1")[0]).toBe(next);
  expect(pods.take("shop/a", pod("a", "10.0.0.1", "3", 80)).isSame).toBe(false);
  expect(pods.take("shop/a", pod("a", "10.0.0.2", "4", 80)).isSame).toBe(false);
  expect([pods.at("10.0.0.1"), pods.at("10.0.0.2")]).toMatchObject([[], [{ ips: "10.0.0.2" }]]);
});

test("of several pods with one address the others are left when one goes", () => {
  const pods = new PodsByIp();
  const [a, b, c] = [pod("a", "10.0.0.1"), pod("b", "10.0.0.1"), pod("c", "10.0.0.1")];
  pods.take("shop/a", a);
  pods.take("shop/b", b);
  pods.take("shop/c", c);
  expect(pods.at("10.0.0.1")).toEqual([a, b, c]);
  pods.take("shop/b", undefined);
  expect(pods.at("10.0.0.1")).toEqual([a, c]);
  pods.take("shop/a", undefined);
  expect(pods.at("10.0.0.1")).toEqual([c]);
});
