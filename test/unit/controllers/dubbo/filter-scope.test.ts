import { expect, test } from "vitest";
import { FilterScope, type NamespacesView } from "../../../../src/controllers/dubbo/filter-scope.ts";
import type { Known } from "../../../../src/controllers/writes/optional-lists.ts";
import type { DubboRoute } from "../../../../src/translate/envoy-filter.ts";
import { fakeClock } from "../../../support/fake-clock.ts";

const root = "istio-system";
const minute = 60_000;
/** The filter of the port. */
const buffer = "aeraki-outbound-buffer-20880";

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
const noRight = expect.stringContaining("config/components/scoped-filters") as string;

test("an entry that all see, or that the root namespace sees by name, has its filters in the root namespace", () => {
  const { of, becomes } = scopeOf("a", root);
  expect([of(), of(["a", root])]).toEqual([inRoot, inRoot]);
  becomes("unknown");
  expect(of()).toEqual(inRoot);
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

test("without the right they are in the root namespace; those that are elsewhere stay and are repaired, and are not removed", () => {
  const { of, scope, becomes } = scopeOf("a", "b");
  becomes("no");
  expect([of(["a"]), of(["a"], [root])]).toEqual(Array(2).fill({ ...inRoot, keptInRoot: noRight }));
  expect(of(["a", "b"], ["a", "b"])).toEqual({ namespaces: ["a", "b"] });
  expect(of(["a", "b"], ["a"])).toEqual({ namespaces: [root, "a"], keptInRoot: noRight });
  expect([scope.mayRemoveFrom("a"), scope.mayRemoveFrom(root)]).toEqual([false, true]);
  becomes("yes");
  expect([of(["a"]), scope.mayRemoveFrom("a")]).toEqual([{ namespaces: ["a"] }, true]);
});

test("a namespace that refuses a filter keeps all in the root namespace, but moves none that is there; it is asked again, first", () => {
  const { of, scope, clock } = scopeOf("a", "b");
  scope.wrote("b", buffer, "refused");
  const keptInRoot = expect.stringContaining("namespace b") as string;
  expect(of(["a", "b"])).toEqual({ ...inRoot, keptInRoot, againInMs: 10 * minute });
  expect([of(["a"]), of(["a", "b"], ["a", "b"])]).toEqual([
    { namespaces: ["a"] },
    { namespaces: ["b", "a"] },
  ]);
  clock.advance(10 * minute);
  expect(of(["a", "b"])).toEqual({ namespaces: ["b", "a"] });
  scope.wrote("b", buffer, "refused");
  scope.wrote("b", buffer, "ok");
  expect(of(["a", "b"])).toEqual({ namespaces: ["a", "b"] });
});

test("a namespace where a write fails refuses it after a minute, and is asked again like any that refuses", () => {
  const { of, scope, clock } = scopeOf("a", "b");
  const asBefore = { namespaces: ["b", "a"] };
  scope.wrote("b", buffer, "failed");
  clock.advance(1 * minute - 1);
  scope.wrote("b", buffer, "failed");
  expect(of(["a", "b"])).toEqual(asBefore);
  clock.advance(1);
  expect(of(["a", "b"])).toEqual(asBefore); // nobody has tried
  scope.wrote("b", buffer, "failed");
  expect(of(["a", "b"])).toMatchObject(inRoot);
  clock.advance(10 * minute);
  expect(of(["a", "b"])).toEqual(asBefore);
  scope.wrote("b", buffer, "failed");
  expect(of(["a", "b"])).toMatchObject(inRoot);
  scope.wrote("b", buffer, "ok");
  scope.wrote("b", buffer, "failed");
  expect(of(["a", "b"])).toEqual(asBefore);
});

test("no namespace is to blame for failures where the root namespace fails, too, but for refusals it is", () => {
  const { of, scope, clock } = scopeOf("a", "b");
  for (const ms of [0, 1 * minute]) {
    clock.advance(ms);
    scope.wrote("b", buffer, "failed");
  }
  scope.wrote("a", "aeraki-rules-a.demo", "refused");
  expect(of(["b"])).toMatchObject(inRoot);
  scope.wrote(root, "x", "failed");
  expect([of(["b"]), of(["a"])]).toMatchObject([{ namespaces: ["b"] }, inRoot]);
});

test("a namespace that refuses the filter of another entry takes this one's", () => {
  const { of, scope } = scopeOf("a", "b");
  scope.wrote("b", "aeraki-outbound-other.demo-240.241.0.2-20880", "refused");
  expect(of(["a", "b"])).toEqual({ namespaces: ["b", "a"] });
  scope.wrote("b", "aeraki-rules-a.demo", "refused");
  expect(of(["a", "b"])).toMatchObject(inRoot);
});

test("each reason why filters are in the root namespace is told once while it lasts", () => {
  const { scope, told } = scopeOf();
  scope.record("demo/a", "one");
  scope.record("demo/b", "one");
  scope.record("demo/c", "two");
  expect([told, scope.inRoot]).toEqual([["one", "two"], 3]);
  for (const entry of ["demo/a", "demo/b"]) scope.record(entry, undefined);
  scope.record("demo/a", "one");
  expect([told, scope.inRoot]).toEqual([["one", "two", "one"], 2]);
});
