import fc from "fast-check";
import { expect, test } from "vitest";
import { differing, isSameMap, PartedMap } from "../../../src/runtime/parted-map.ts";

const key = fc.integer({ min: 0, max: 300 }).map((at) => `org.example.Service${at}`);
const change = fc.record({ key, value: fc.option(fc.constantFrom("a", "b"), { nil: undefined }) });

/** Both maps after the changes. */
function changed(changes: readonly { readonly key: string; readonly value: string | undefined }[]) {
  const [parted, plain] = [new PartedMap<string>(), new Map<string, string>()];
  apply(parted, plain, changes);
  return { parted, plain };
}
function apply(
  parted: PartedMap<string>,
  plain: Map<string, string>,
  changes: readonly { readonly key: string; readonly value: string | undefined }[],
): void {
  for (const { key: at, value } of changes)
    for (const map of [parted, plain])
      if (value === undefined) map.delete(at);
      else map.set(at, value);
}

test("law: it has what a map has, and a copy does not change with it", () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 400 }), fc.array(change), (first, then) => {
      const { parted, plain } = changed(first);
      const [copy, before] = [parted.copy(), new Map(plain)];
      apply(parted, plain, then);
      for (const [map, same] of [
        [parted, plain],
        [copy, before],
      ] as const) {
        expect(new Map(map)).toEqual(same);
        expect([map.size, [...map.keys()].length]).toEqual([same.size, same.size]);
        for (const at of same.keys()) expect([map.get(at), map.has(at)]).toEqual([same.get(at), true]);
      }
    }),
  );
});

test("law: what differs is that of plain maps, between any two", () => {
  fc.assert(
    fc.property(
      fc.array(change, { maxLength: 400 }),
      fc.array(change),
      fc.boolean(),
      (first, then, isCopy) => {
        const { parted, plain } = changed(first);
        const after = isCopy ? parted.copy() : changed(first).parted;
        const plainAfter = new Map(plain);
        apply(after, plainAfter, then);
        const expected = new Map(
          [...plain.keys(), ...plainAfter.keys()]
            .filter((at) => plain.get(at) !== plainAfter.get(at))
            .map((at) => [at, plainAfter.get(at)]),
        );
        for (const [was, is] of [
          [parted, after],
          [plain, after],
          [plain, plainAfter],
        ] as const) {
          const found = [...differing(was, is)];
          expect(new Map(found)).toEqual(expected);
          expect(found).toHaveLength(expected.size);
        }
        expect(isSameMap(parted, after)).toBe(expected.size === 0);
        expect(isSameMap(undefined, after)).toBe(false);
      },
    ),
  );
});

test("of 10,000 names it looks at few when one has changed", () => {
  const before = new PartedMap<number>();
  for (let at = 0; at < 10_000; at++) before.set(`org.example.shop.order.OrderQuery${at}Service`, at);
  const after = before.copy();
  after.set("org.example.shop.order.OrderQuery7Service", -1);
  const looked = before.differentParts(after).map(([here]) => here.size);
  expect(looked).toHaveLength(1);
  expect(looked[0]).toBeLessThan(160);
  expect([...differing(before, after)]).toEqual([["org.example.shop.order.OrderQuery7Service", -1]]);
});
