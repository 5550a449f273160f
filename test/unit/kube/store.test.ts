import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createStore } from "../../../src/kube/store.ts";
import type { KubeObject } from "../../../src/model/kubernetes.ts";

const object = (name: string, resourceVersion: number, uid = `${name}-uid`): KubeObject => ({
  metadata: { namespace: "ns", name, uid, resourceVersion: `${resourceVersion}` },
});
const key = (name: string): string => `ns/${name}`;

describe("a store", () => {
  test("takes only what is newer", () => {
    const store = createStore();
    store.replace([object("a", 5)], "9");
    expect(store.put(object("a", 4))).toBe(false);
    expect(store.put(object("a", 5))).toBe(false);
    expect(store.put(object("a", 10))).toBe(true);
    expect(store.delete(object("a", 9))).toBe(false);
    expect(store.delete(object("a", 11))).toBe(true);
  });

  test("trims what it takes, and nothing else", () => {
    const trimmed: string[] = [];
    const store = createStore<KubeObject>((one) => {
      trimmed.push(one.metadata.resourceVersion ?? "");
      return { metadata: one.metadata };
    });
    store.replace([object("a", 5)], "9");
    for (const version of [10, 10, 8]) store.put({ ...object("a", version), kind: "Trimmed" });
    expect(trimmed).toEqual(["10"]);
    expect(store.objects.get(key("a"))).toEqual(object("a", 10));
  });

  test("compares resourceVersions as numbers of any size", () => {
    const store = createStore();
    store.replace([object("a", 9)], "9");
    expect(store.put(object("a", 10))).toBe(true);
    const huge = { metadata: { ...object("a", 0).metadata, resourceVersion: "18446744073709551616" } };
    expect(store.put(huge)).toBe(true);
  });

  test("does not bring back what a list or a watch said is gone, but takes what was created since", () => {
    const store = createStore();
    store.replace([object("a", 5)], "9");
    store.delete(object("a", 12));
    store.advance("12");
    expect(store.put(object("a", 11))).toBe(false);
    expect(store.put(object("b", 8))).toBe(false);
    expect(store.put(object("a", 13, "new-uid"))).toBe(true);
  });

  test("ignores the late events of what we deleted, also across a list that was under way", () => {
    const store = createStore();
    store.replace([object("a", 5)], "9");
    expect(store.remove(object("a", 5))).toBe(true);
    expect(store.put(object("a", 10))).toBe(false);
    store.replace([object("a", 10)], "11");
    expect([...store.objects.keys()]).toEqual([]);
    store.delete(object("a", 12));
    expect(store.put(object("a", 13, "new-uid"))).toBe(true);
    expect(store.remove(object("a", 5))).toBe(false);
  });

  test("a list names what it changed, deletes included, and leaves alone what came after it", () => {
    const store = createStore();
    store.replace([object("kept", 1), object("changed", 2), object("gone", 3)], "3");
    store.put(object("written", 8));
    const changed = store.replace([object("kept", 1), object("changed", 5), object("new", 6)], "7");
    expect([...changed].sort()).toEqual([key("changed"), key("gone"), key("new")]);
    expect([...store.objects.keys()].sort()).toEqual(["changed", "kept", "new", "written"].map(key));
  });

  test("a list from before everything known (etcd restored from a backup) is believed", () => {
    const store = createStore();
    store.replace([object("a", 90), object("b", 91)], "99");
    expect([...store.replace([object("a", 5)], "9")].sort()).toEqual([key("a"), key("b")]);
    expect(store.put(object("a", 10))).toBe(true);
  });

  test("any delay and repetition of write answers ends in the state the watch tells", () => {
    const step = fc.record({ name: fc.constantFrom("a", "b"), deletes: fc.boolean(), delay: fc.nat(6) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const store = createStore();
        store.replace([], "0");
        const final = new Set<string>();
        steps.forEach(({ name, deletes }, at) => {
          const current = object(name, at + 1, `${name}-uid-${at}`);
          if (deletes) store.delete(current);
          else store.put(current);
          store.advance(`${at + 1}`);
          if (deletes) final.delete(key(name));
          else final.add(key(name));
          for (const [late, { name: lateName, deletes: wasDelete, delay }] of steps.entries())
            if (!wasDelete && late + delay === at)
              store.put(object(lateName, late + 1, `${lateName}-uid-${late}`));
        });
        expect(new Set(store.objects.keys())).toEqual(final);
      }),
    );
  });
});
