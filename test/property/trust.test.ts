import fc from "fast-check";
import { expect, test } from "vitest";
import type { HostKey } from "../../src/model/entry.ts";
import { unlistedVerdict } from "../../src/plan/claims.ts";
import { hasEnded, isBraking, type Loss, type Moment } from "../../src/plan/losses.ts";
import { step, type TrustEvent, type TrustStep } from "../../src/plan/trust.ts";
import { dueOf, type TrustState, trustPhaseOf, untrusted } from "../../src/plan/trust-state.ts";

const limits = { settleMs: 60, settleAfterLossMs: 100, shrinkHoldMs: 300, resetHoldMs: 2_000 };
const all: readonly HostKey[] = Array.from({ length: 12 }, (_, at) => `ns/h${at}`);

/** What may happen to a hub's trust, and when: so long after what happened before. */
type Happening = { readonly afterMs: number } & (
  | { readonly what: "lists"; readonly listed: readonly HostKey[]; readonly origin: string | undefined }
  | { readonly what: "loses"; readonly dataWasLost: boolean }
  | { readonly what: "releases" | "edits" | "moves" }
);

const pauses = fc.constantFrom(0, 1, 10, 59, 60, 61, 150, 299, 300, 301, 1_000, 2_500);
const happenings: fc.Arbitrary<Happening> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      what: fc.constant("lists" as const),
      afterMs: pauses,
      listed: fc.oneof(fc.subarray([...all]), fc.subarray([...all], { minLength: 9 })),
      origin: fc.constantFrom("o1", "o1", "o1", "o2", undefined),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      what: fc.constant("loses" as const),
      afterMs: pauses,
      dataWasLost: fc.constantFrom(false, false, true),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ what: fc.constantFrom("releases", "edits", "moves"), afterMs: pauses }),
  },
);
const stories = fc.array(happenings, { maxLength: 25, size: "max" });

/** One trust, and how punctual its timer is; the cluster never forgets a host. */
class Machine {
  state: TrustState = untrusted(limits);
  now: Moment = { monotonic: 1, wall: 1_000_000 };
  readonly #inCluster = new Set<HostKey>();
  #listed: ReadonlySet<HostKey> = new Set();
  readonly #onStep: (before: TrustState, taken: TrustStep) => void;

  constructor(onStep: (before: TrustState, taken: TrustStep) => void = () => undefined) {
    this.#onStep = onStep;
  }

  /** Lets time pass; the timer runs `lateMs()` after each deadline, if that comes within the time. */
  pass(ms: number, lateMs: () => number = () => 0): void {
    const until = this.now.monotonic + ms;
    for (;;) {
      const due = dueOf(this.state);
      const at = due === undefined ? Infinity : Math.max(due + lateMs(), this.now.monotonic);
      if (at > until) break;
      this.#wait(at - this.now.monotonic);
      this.#take({ type: "due" });
    }
    this.#wait(until - this.now.monotonic);
  }

  happen(happening: Happening): void {
    this.#take(this.#eventOf(happening));
  }

  isGone(host: HostKey): boolean {
    return unlistedVerdict(this.state, host, this.#listed.has(host)) === "gone";
  }

  isListed(host: HostKey): boolean {
    return this.#listed.has(host);
  }

  isMissing(host: HostKey): boolean {
    return this.#inCluster.has(host) && !this.#listed.has(host);
  }

  #eventOf(happening: Happening): TrustEvent {
    const endpointsInCluster = () => this.#inCluster.size;
    switch (happening.what) {
      case "lists": {
        const before = this.#listed;
        this.#listed = new Set(happening.listed);
        const lost = this.state.isSynced
          ? before.difference(this.#listed)
          : this.#inCluster.difference(this.#listed);
        const found = this.#listed.difference(before);
        for (const host of this.#listed) this.#inCluster.add(host);
        const { size } = this.#listed;
        const counts = { listedHosts: size, listedEndpoints: size, endpointsInCluster };
        return { type: "listed", lost, found, origin: happening.origin, ...counts };
      }
      case "loses":
        return { type: "lost", dataWasLost: happening.dataWasLost, endpointsInCluster };
      case "releases":
        return { type: "released", until: new Date(this.now.wall + 1_000).toISOString() };
      case "edits": {
        const lost = this.#inCluster.difference(this.#listed);
        return { type: "edited", lost, found: [], listedHosts: this.#listed.size };
      }
      case "moves":
        return { type: "moved", limits };
    }
  }

  #take(event: TrustEvent): void {
    const before = this.state;
    const taken = step(before, event, this.now);
    this.state = taken.state;
    this.#onStep(before, taken);
  }

  #wait(ms: number): void {
    this.now = { monotonic: this.now.monotonic + ms, wall: this.now.wall + ms };
  }
}

function play(story: readonly Happening[], machine: Machine, lateMs?: () => number): Machine {
  for (const happening of story) {
    machine.pass(happening.afterMs, lateMs);
    machine.happen(happening);
  }
  return machine;
}

const isHold = (loss: Loss): loss is Extract<Loss, { verdict: "braked" | "reset" }> =>
  loss.verdict === "braked" || loss.verdict === "reset";

const law = (holds: (story: readonly Happening[], delays: readonly number[]) => void): void =>
  fc.assert(
    fc.property(
      stories,
      fc.array(fc.constantFrom(0, 1, 50, 1_000, 100_000), { minLength: 40, maxLength: 40 }),
      holds,
    ),
    { numRuns: 500 },
  );

test("a timer that is late, however late, makes no difference", () =>
  law((story, delays) => {
    let at = 0;
    const punctual = play(story, new Machine());
    const late = play(story, new Machine(), () => delays[at++ % delays.length] ?? 0);
    late.happen({ what: "releases", afterMs: 0 });
    punctual.happen({ what: "releases", afterMs: 0 });
    expect(late.state).toEqual(punctual.state);
  }));

test("no host is gone before its own end, unless it returns, its owner releases it, or the registry is another one", () =>
  law((story) => {
    const machine = new Machine();
    const goneEarly = (held: readonly (readonly [HostKey, Loss])[]) =>
      held.filter(
        ([host, loss]) =>
          isHold(loss) && !hasEnded(loss, machine.now) && !machine.isListed(host) && machine.isGone(host),
      );
    for (const happening of story) {
      const held = [...machine.state.losses].filter(([, loss]) => isHold(loss));
      machine.pass(happening.afterMs);
      expect(goneEarly(held)).toEqual([]);
      machine.happen(happening);
      const isRecovered = machine.state.reset === undefined;
      const stay = held.filter(([, { verdict }]) => verdict === "braked" || !isRecovered);
      expect(["releases", "moves"].includes(happening.what) ? [] : goneEarly(stay)).toEqual([]);
    }
  }));

test("time alone only ever turns unknown into gone", () =>
  law((story, delays) => {
    const machine = new Machine();
    const goneNow = () => new Set(all.filter((host) => machine.isGone(host)));
    for (const [at, happening] of story.entries()) {
      const gone = goneNow();
      machine.pass(happening.afterMs, () => delays[at] ?? 0);
      expect(gone.difference(goneNow()).size).toBe(0);
      machine.happen(happening);
    }
  }));

test("after the last event everything that is not listed is gone", () =>
  law((story) => {
    const machine = play(story, new Machine());
    machine.happen({ what: "lists", listed: all.slice(0, 2), origin: "o1", afterMs: 0 });
    machine.pass(limits.resetHoldMs + limits.settleAfterLossMs + limits.shrinkHoldMs);
    expect([trustPhaseOf(machine.state), dueOf(machine.state)]).toEqual(["trusted", undefined]);
    expect(all.filter((host) => machine.isMissing(host) && !machine.isGone(host))).toEqual([]);
  }));

test("a host that a step does not name has the verdict that it had, while the registry vouches for its listing", () =>
  law((story, delays) => {
    const verdicts = (state: TrustState) =>
      all.flatMap((host) => [true, false].map((listsAny) => unlistedVerdict(state, host, listsAny)).join());
    const machine = new Machine((before, { state, changed }) => {
      if (changed === "everything" || !state.isSynced) return;
      const [was, is] = [verdicts(before), verdicts(state)];
      expect(all.filter((host, at) => was[at] !== is[at] && !changed.has(host))).toEqual([]);
    });
    let at = 0;
    play(story, machine, () => delays[at++ % delays.length] ?? 0);
  }));

test("a hold is told when it begins, and only then", () =>
  law((story) => {
    const machine = new Machine((before, { state, began }) => {
      const isReset = state.reset !== undefined;
      const isBraked = isBraking(state.losses);
      const mayTell = [undefined, ...(isReset ? ["RegistryReset"] : isBraked ? ["Shrunk"] : [])];
      expect(mayTell).toContain(began);
      const isNewReset = isReset && before.reset === undefined;
      const isNewBrake = !isReset && isBraked && !isBraking(before.losses);
      expect([began, isNewReset || isNewBrake]).not.toEqual([undefined, true]);
    });
    play(story, machine);
  }));
