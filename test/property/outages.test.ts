import fc from "fast-check";
import { expect, test } from "vitest";
import type { Endpoint, Entry } from "../../src/model/entry.ts";
import type { HubKey } from "../../src/model/hub.ts";
import { splitKey } from "../../src/model/keys.ts";
import { type ClaimInputs, claimsOn } from "../../src/plan/claims.ts";
import { planHost } from "../../src/plan/host.ts";
import { endpointOf, hubOf, inputOf } from "../support/model.ts";
import { carriedOut, hubs } from "./arbitraries.ts";

/** How long everything takes that takes its time: to settle, to hold, and to believe that a missing hub is gone. */
const longMs = 60;
const all = [1, 2, 3, 4].map((host) => endpointOf(`10.0.0.${host}:20880`));

/** What may happen to a hub and its registry, and to the operator. */
type Happening =
  | {
      readonly what: "lists";
      readonly hub: number;
      readonly listed: readonly Endpoint[];
      readonly isUnreadable: boolean;
    }
  | { readonly what: "lost" | "deleted" | "muted" | "braked" | "reset"; readonly hub: number }
  | { readonly what: "restarted" }
  | { readonly what: "passed"; readonly ms: number };

const hub = fc.nat(hubs.length - 1);
const happenings: fc.Arbitrary<Happening> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      what: fc.constant("lists" as const),
      hub,
      listed: fc.subarray(all),
      isUnreadable: fc.constantFrom(false, false, false, true),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      what: fc.constantFrom(...(["lost", "deleted", "muted", "braked", "reset"] as const)),
      hub,
    }),
  },
  { weight: 1, arbitrary: fc.record({ what: fc.constant("restarted" as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({ what: fc.constant("passed" as const), ms: fc.constantFrom(10, longMs) }),
  },
);

interface Registry {
  /** Since when the hub is missing. */
  missingSince: number | undefined;
  /** Whether the hub may not write, though its registry is read. */
  isMuted: boolean;
  synced: boolean;
  settledAt: number;
  heldUntil: number;
  resetUntil: number;
  listed: readonly Endpoint[];
  isUnreadable: boolean;
}

const unheard: Omit<Registry, "missingSince" | "isMuted"> = {
  synced: false,
  settledAt: 0,
  heldUntil: 0,
  resetUntil: 0,
  listed: [],
  isUnreadable: false,
};

/** The hubs' registries, and what is known of them at a moment. */
class World {
  now = 1;
  readonly #registries: readonly Registry[] = hubs.map(() => ({
    ...unheard,
    missingSince: undefined,
    isMuted: false,
  }));

  happen(happening: Happening): void {
    if (happening.what === "passed") this.now += happening.ms;
    else if (happening.what === "restarted") for (const registry of this.#registries) this.#forget(registry);
    else this.#change(this.#of(happening.hub), happening);
  }

  #of(at: number): Registry {
    const registry = this.#registries[at];
    if (registry === undefined) throw new Error(`no hub ${at}`);
    return registry;
  }

  #forget(registry: Registry): void {
    Object.assign(registry, unheard);
    if (registry.missingSince !== undefined) registry.missingSince = this.now;
  }

  #change(registry: Registry, happening: Exclude<Happening, { what: "passed" | "restarted" }>): void {
    const until = this.now + longMs;
    if (happening.what === "lists") {
      const { listed, isUnreadable } = happening;
      if (!registry.synced) registry.settledAt = until;
      Object.assign(registry, { missingSince: undefined, synced: true, listed, isUnreadable });
    } else if (happening.what === "lost") registry.synced = false;
    else if (happening.what === "muted") registry.isMuted = !registry.isMuted;
    else if (happening.what === "braked") registry.heldUntil = until;
    else if (happening.what === "reset") registry.resetUntil = until;
    else Object.assign(registry, unheard, { missingSince: registry.missingSince ?? this.now });
  }

  /** The hubs that exist. */
  inputs(): readonly ClaimInputs[] {
    return hubs.flatMap(({ key, id }, at) => {
      const { missingSince, isMuted, listed, isUnreadable, ...trust } = this.#of(at);
      if (missingSince !== undefined) return [];
      const [namespace, name] = splitKey(key);
      const hub = hubOf({}, { namespace, name });
      return [{ id, hub, mayWrite: !isMuted, isPending: false, trust, listed, isUnreadable }];
    });
  }

  goneInMs(key: HubKey): number {
    const { missingSince = this.now } = this.#of(hubs.findIndex((one) => one.key === key));
    return Math.max(0, missingSince + longMs - this.now);
  }

  /** What a hub stands for now if it stood for this before: in the plainest words. */
  standsFor(at: number, before: ReadonlySet<string>): ReadonlySet<string> {
    const registry = this.#of(at);
    const { missingSince, isMuted, synced, isUnreadable } = registry;
    if (missingSince !== undefined) return this.now - missingSince >= longMs ? new Set() : before;
    if (isMuted) return before;
    const listed = new Set(registry.listed.map(({ hostPort }) => hostPort));
    const isHeld = this.now < registry.heldUntil && listed.size === 0;
    const isEarly = this.now < Math.max(registry.settledAt, registry.resetUntil);
    const isSure = synced && !isUnreadable && !isEarly && !isHeld;
    return isSure ? listed : listed.union(before);
  }

  /** Whether some hub may write that lists the host or stood for some of its entry; or nobody did who is not gone. */
  isWritten(before: readonly ReadonlySet<string>[]): boolean {
    const speaking = before.flatMap((addrs, at) => {
      const { missingSince, isMuted, listed } = this.#of(at);
      const isGone = missingSince !== undefined && this.now - missingSince >= longMs;
      const mayWrite = missingSince === undefined && !isMuted;
      return !isGone && (addrs.size > 0 || (mayWrite && listed.length > 0)) ? [mayWrite] : [];
    });
    return speaking.length === 0 || speaking.includes(true);
  }
}

test("over any story of listings, outages, deletions and restarts the entry is what its hubs stand for, by whom", () => {
  fc.assert(
    fc.property(fc.array(happenings, { maxLength: 30, size: "max" }), (story) => {
      const world = new World();
      let actual: Entry | undefined;
      let standsFor: readonly ReadonlySet<string>[] = hubs.map(() => new Set());
      for (const happening of story) {
        world.happen(happening);
        const before = standsFor;
        if (world.isWritten(before)) standsFor = before.map((addrs, at) => world.standsFor(at, addrs));
        const { claims } = claimsOn(actual, world.inputs(), world.now, (key) => world.goneInMs(key));
        actual = carriedOut(actual, planHost(inputOf({ actual, claims })));
        const expected = standsFor.flatMap((addrs, at) =>
          [...addrs].map((hostPort) => `${hostPort} by ${hubs[at]?.id}`),
        );
        const found = [...(actual?.endpoints.values() ?? [])].flatMap(({ hostPort, by }) =>
          [...by].map((id) => `${hostPort} by ${id}`),
        );
        expect(found.sort()).toEqual(expected.sort());
      }
    }),
    { numRuns: 500 },
  );
});
