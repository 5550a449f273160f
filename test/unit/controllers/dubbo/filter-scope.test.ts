import { expect, test } from "vitest";
import {
  FilterScope,
  type Known,
  type NamespacesView,
} from "../../../../src/controllers/dubbo/filter-scope.ts";
import type { DubboRoute } from "../../../../src/translate/envoy-filter.ts";
import { fakeClock } from "../../../support/fake-clock.ts";

const root = "istio-system";
const minute = 60_000;

function routeOf(serviceEntry: string, namespaces?: readonly string[]): DubboRoute {
  const route = { serviceEntry, host: "a.demo", vip: "240.241.0.1", port: 20_880, interface: "A" };
  return { ...route, outlierDetection: true, ...(namespaces && { namespaces }) };
}

/** A scope that knows these namespaces. */
function scopeOf(...existing: readonly string[]) {
  const clock = fakeClock();
  const told: string[] = [];
  let known: Known = "yes";
  const view: NamespacesView = { known: () => known, has: (namespace) => existing.includes(namespace) };
  const scope = new FilterScope(root, view, clock, (why) => told.push(why));
  return {
    scope,
    clock,
    told,
    becomes: (now: Known): void => {
      known = now;
    },
    /** Where the entry's filters belong, if it has some in `has`. */
    of: (namespaces?: readonly string[], has: readonly string[] = [], entry = "demo/a") =>
      scope.of(routeOf(entry, namespaces), new Set(has)),
  };
}

const inRoot = { namespaces: [root] };

test("an entry that all see, or that the root namespace sees by name, has its filters in the root namespace", () => {
  const { of, scope, becomes } = scopeOf("a", root);
  expect([of(), of(["a", root])]).toEqual([inRoot, inRoot]);
  becomes("unknown");
  expect([of(), scope.inRoot]).toEqual([inRoot, 0]);
});

test("another one has them in the namespaces that exist, of which there may be none", () => {
  const { of } = scopeOf("a", "b");
  expect([of(["a", "b", "c"]), of(["c"])]).toEqual([{ namespaces: ["a", "b"] }, { namespaces: [] }]);
});

test("nothing is decided while the namespaces are not known", () => {
  const { of, becomes } = scopeOf("a");
  becomes("unknown");
  expect([of(["a"]), of(["a"], ["a"])]).toEqual([undefined, undefined]);
});

test("without the right they are in the root namespace, which is told once; those that are elsewhere stay", () => {
  const { of, scope, told, becomes } = scopeOf("a");
  becomes("no");
  expect([of(["a"]), of(["a"], [root]), of(["a"], [], "demo/b")]).toEqual([inRoot, inRoot, inRoot]);
  expect([told.length, scope.inRoot]).toEqual([1, 2]);
  expect(of(["a"], ["a"], "demo/c")).toBeUndefined();
  becomes("yes");
  expect([of(["a"]), scope.inRoot]).toEqual([{ namespaces: ["a"] }, 1]);
  scope.forget("demo/b");
  expect(scope.inRoot).toBe(0);
});

test("a namespace that refuses a filter keeps all in the root namespace, but moves none that is there, and is asked again", () => {
  const { of, scope, clock, told } = scopeOf("a", "b");
  scope.refused("b");
  expect(of(["a", "b"])).toEqual({ ...inRoot, againInMs: 10 * minute });
  expect(told).toEqual([expect.stringContaining("namespace b")]);
  expect([of(["a"]), of(["a", "b"], ["a", "b"])]).toEqual([
    { namespaces: ["a"] },
    { namespaces: ["a", "b"] },
  ]);
  clock.advance(10 * minute);
  expect([of(["a", "b"]), scope.inRoot]).toEqual([{ namespaces: ["a", "b"] }, 0]);
  scope.refused(root);
  expect(of()).toEqual(inRoot);
});
