import fc from "fast-check";
import { expect, test } from "vitest";
import type { Claim, Endpoint, Entry } from "../../src/model/entry.ts";
import { restOf } from "../../src/plan/trust.ts";
import { claimOf, endpointOf } from "../support/model.ts";
import { hubs, look } from "./arbitraries.ts";

const settleMs = 60;
const all = [1, 2, 3, 4].map((host) => endpointOf(`10.0.0.${host}:20880`));

/** What may happen to a hub and its registry, and to the operator. */
type Happening =
  | { readonly what: "lists"; readonly hub: number; readonly listed: readonly Endpoint[] }
  | { readonly what: "lost" | "deleted" | "suspended"; readonly hub: number }
  | { readonly what: "restarted" }
  | { readonly what: "passed"; readonly ms: number };

const hub = fc.nat(hubs.length - 1);
const happenings: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ what: fc.constant("lists" as const), hub, listed: fc.subarray(all) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      what: fc.constantFrom("lost" as const, "deleted" as const, "suspended" as const),
      hub,
    }),
  },
  { weight: 1, arbitrary: fc.record({ what: fc.constant("restarted" as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({ what: fc.constant("passed" as const), ms: fc.constantFrom(10, settleMs) }),
  },
);

interface Registry {
  exists: boolean;
  suspended: boolean;
  synced: boolean;
  settledAt: number;
  listed: readonly Endpoint[];
}

const unheard = (): Registry => ({ exists: true, suspended: false, synced: false, settledAt: 0, listed: [] });

/** The hubs' registries, and what each hub says at a moment. */
class World {
  now = 1;
  #registries = hubs.map(unheard);

  happen(happening: Happening): void {
    if (happening.what === "passed") this.now += happening.ms;
    else if (happening.what === "restarted")
      this.#registries = this.#registries.map(({ exists }) => ({ ...unheard(), exists }));
    else this.#change(this.#registries[happening.hub] ?? unheard(), happening);
  }

  #change(registry: Registry, happening: Exclude<Happening, { what: "passed" | "restarted" }>): void {
    if (happening.what === "lists") {
      if (!registry.synced) registry.settledAt = this.now + settleMs;
      Object.assign(registry, { exists: true, suspended: false, synced: true, listed: happening.listed });
    } else if (happening.what === "lost") registry.synced = false;
    else if (happening.what === "suspended") Object.assign(registry, { suspended: true, synced: false });
    else Object.assign(registry, unheard(), { exists: false });
  }

  claims(): ReadonlyMap<string, Claim> {
    return new Map(
      this.#registries.flatMap((registry, at) => {
        const named = hubs[at];
        if (!registry.exists || named === undefined) return [];
        const listed = registry.suspended ? [] : registry.listed;
        const trust = { synced: registry.synced, settledAt: registry.settledAt, heldUntil: 0, resetUntil: 0 };
        return [
          [named.id, claimOf(named.key, { listed, rest: restOf(false, trust, listed.length > 0, this.now) })],
        ];
      }),
    );
  }
}

/** The same in the plainest words: what each hub stands for. "unknown" only adds, "gone" replaces, no hub is nothing. */
function remember(before: ReadonlyMap<string, ReadonlySet<string>>, claims: ReadonlyMap<string, Claim>) {
  return new Map(
    [...claims].map(([id, { listed, rest }]) => {
      const named = new Set(listed.map(({ addr }) => addr));
      return [id, rest === "gone" ? named : named.union(before.get(id) ?? new Set<string>())] as const;
    }),
  );
}

test("over any story of listings, outages, deletions and restarts the entry is what its hubs stand for, by whom", () => {
  fc.assert(
    fc.property(fc.array(happenings, { maxLength: 30 }), (story) => {
      const world = new World();
      let actual: Entry | undefined;
      let standsFor: ReadonlyMap<string, ReadonlySet<string>> = new Map();
      for (const happening of story) {
        world.happen(happening);
        const claims = world.claims();
        standsFor = remember(standsFor, claims);
        actual = look(actual, claims).after;
        const expected = [...standsFor].flatMap(([id, addrs]) =>
          [...addrs].map((addr) => `${addr} by ${id}`),
        );
        const found = [...(actual?.endpoints.values() ?? [])].flatMap(({ addr, by }) =>
          [...by].map((id) => `${addr} by ${id}`),
        );
        expect(found.sort()).toEqual(expected.sort());
      }
    }),
    { numRuns: 500 },
  );
});
