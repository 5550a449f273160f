import fc from "fast-check";
import { expect, test } from "vitest";
import type { HostKey } from "../../src/model/entry.ts";
import { brakedHosts, hasEnded } from "../../src/plan/losses.ts";
import { hosts, instancesOf, limits, type Member, only, World } from "./outage-world.ts";

const second = 1_000;

/** What may happen to a hub, its registry and its providers, and to the operator; the higher the figure, the more often. */
const happenings = {
  runs: 8,
  passes: 10,
  vanishes: 6,
  flaps: 1,
  "goes unseen": 1,
  returns: 4,
  loses: 4,
  restarts: 3,
  "loses data": 2,
  heals: 3,
  hides: 1,
  excludes: 1,
  policy: 2,
  suspends: 1,
  allows: 1,
  releases: 1,
  deletes: 1,
  creates: 2,
  moves: 2,
} as const;

interface Happening {
  readonly what: keyof typeof happenings;
  readonly hub: number;
  readonly host: HostKey;
  readonly figures: readonly number[];
  /** What the registry shows of what runs; "later" = it is not there before it "returns". */
  readonly shows: readonly HostKey[] | "everything" | "later";
  readonly few: readonly HostKey[];
  readonly policy: "sync" | "upsert-only" | "observe";
  readonly ms: number;
  readonly lateMs: number;
}

const whats = Object.entries(happenings).map(([what, weight]) => ({
  weight,
  arbitrary: fc.constant(what as Happening["what"]),
}));
const stories: fc.Arbitrary<readonly Happening[]> = fc.array(
  fc.record({
    what: fc.oneof(...whats),
    hub: fc.constantFrom(0, 0, 1),
    host: fc.constantFrom(...hosts),
    figures: fc.subarray([1, 2, 3]),
    shows: fc.oneof(fc.subarray([...hosts]), fc.constantFrom("everything" as const, "later" as const)),
    few: fc.subarray([...hosts], { maxLength: 5 }),
    policy: fc.constantFrom("sync", "sync", "upsert-only", "observe"),
    ms: fc.constantFrom(...[0.1, 1, 10, 59, 61, 150, 301, 3_601].map((seconds) => seconds * second)),
    lateMs: fc.constantFrom(0, 0, 500, 100 * second),
  }),
  { minLength: 5, maxLength: 30, size: "max" },
);

/** Whether so many hosts vanish with this that the brake has to notice; while it holds some, it notices each. */
function isMass({ now }: World, { trust, listed }: Member, shows: readonly HostKey[]): boolean {
  const isGone = (host: HostKey): boolean => !shows.includes(host);
  if ([...brakedHosts(trust.losses)].some(([host, hold]) => isGone(host) && !hasEnded(hold, now)))
    return true;
  const lost = [...listed.keys()].filter(isGone).length;
  return lost > 3 || (lost > 1 && shows.length === 0);
}

/** Services vanish from a registry that is up, for less long than the brake holds. */
function vanish(world: World, member: Member, shows: readonly HostKey[]): void {
  if (!member.trust.isSynced || !isMass(world, member, shows)) return;
  member.shown = only(member.truth, shows);
  world.promise(member, limits.shrinkHoldMs);
  if (member.trust.reset) world.promise(member, world.msUntil(member.trust.reset.until));
  world.list(member);
}

/** A registry comes back after a restart: it may show a part of what it knows, until its providers have returned. */
function comeBack(world: World, member: Member, shows: Happening["shows"]): void {
  if (shows === "later" || member.trust.isSynced) return;
  if (shows !== "everything" && member.isTruthful) member.shown = only(member.truth, shows);
  world.list(member);
}

function happen(world: World, happening: Happening): void {
  const { what, shows, few, lateMs } = happening;
  const member = world.memberAt(happening.hub);
  const edit = (spec: Partial<Member["hub"]>): void => world.edit(member, { ...member.hub, ...spec });
  switch (what) {
    case "runs":
      world.run(member, happening.host, new Set(happening.figures));
      break;
    case "passes":
      world.pass(happening.ms, lateMs);
      break;
    case "vanishes":
      vanish(world, member, typeof shows === "string" ? hosts.filter((host) => !few.includes(host)) : shows);
      break;
    case "flaps":
      vanish(world, member, []);
      world.pass(limits.shrinkHoldMs / 2, lateMs);
      world.heal(member);
      vanish(world, member, few);
      world.pass(limits.shrinkHoldMs / 2 + second, lateMs);
      break;
    case "goes unseen": // while the hub may not remove anything, for longer than any hold
      edit({ policy: "upsert-only" });
      vanish(world, member, few);
      world.pass(2 * limits.shrinkHoldMs, lateMs);
      edit({ policy: "sync" });
      break;
    case "loses":
      world.lose(member, false);
      comeBack(world, member, shows);
      break;
    case "returns":
      comeBack(world, member, shows);
      break;
    case "restarts":
      world.restart();
      for (const each of world.members) comeBack(world, each, shows);
      break;
    case "loses data":
      if (!member.isTruthful || world.vouchedBy(member).size === 0) break;
      member.shown = new Map();
      member.origin = `${member.origin}'`;
      world.lose(member, true);
      if (member.trust.reset === undefined) throw new Error("a loss of data is not held");
      world.promise(member, world.msUntil(member.trust.reset.until));
      if (shows !== "later") world.list(member);
      break;
    case "heals":
      world.heal(member);
      break;
    case "hides":
      member.unreadable = new Set(few);
      if (member.trust.isSynced) world.list(member);
      break;
    case "excludes":
      edit({ filter: { include: ["*"], exclude: few } });
      comeBack(world, member, shows);
      break;
    case "policy":
      edit({ policy: happening.policy });
      break;
    case "suspends":
      edit({ suspend: !member.hub.suspend });
      comeBack(world, member, shows);
      break;
    case "allows":
      world.allow(member, !member.isAllowed);
      break;
    case "releases": // what nobody misses
      if (member.isTruthful) world.step(member, { type: "released", until: "2100-01-01T00:00:00Z" });
      break;
    case "deletes":
      world.delete(member);
      break;
    case "creates":
      for (const each of world.members) world.create(each);
      break;
    case "moves":
      world.move(member, 1 - member.lane);
      comeBack(world, member, shows);
      break;
  }
}

/** Two hubs that have settled. */
function begin(): World {
  const world = new World(["dubbozk/a", "dubbozk/b"]);
  for (const host of hosts) world.run(world.memberAt(0), host, new Set([1]));
  for (const host of hosts.slice(4)) world.run(world.memberAt(1), host, new Set([1, 2]));
  for (const member of world.members) world.list(member);
  world.plan();
  world.pass(limits.settleMs, 0);
  world.plan();
  return world;
}

/** Everybody is well again, and nobody is in the way. */
function end(world: World): void {
  for (const member of world.members) {
    world.create(member);
    world.move(member, 0); // hubs that feed one host belong into one lane
    world.allow(member, true);
    const { hub } = member;
    world.edit(member, { ...hub, policy: "sync", suspend: false, filter: { include: ["*"], exclude: [] } });
    world.heal(member);
    if (!member.trust.isSynced) world.list(member);
  }
  world.plan();
  world.pass(2 * limits.resetHoldMs, 0);
  world.plan();
}

test("over any story nothing that lives is ever missing, what is gone goes, and nothing is written for nothing", () => {
  fc.assert(
    fc.property(stories, (story) => {
      const world = begin();
      for (const happening of story) {
        happen(world, happening);
        world.plan();
        expect(world.missing).toEqual([]);
        expect(world.planEverything()).toEqual([]); // whatever had to be planned was asked for
      }
      end(world);
      for (const member of world.members)
        expect([...world.vouchedBy(member)].sort()).toEqual([...instancesOf(member.truth)].sort());
      const { writes } = world;
      for (const member of world.members) world.list(member);
      world.plan();
      expect([world.writes - writes, world.planEverything()]).toEqual([0, []]);
    }),
    { numRuns: 300 },
  );
}, 60_000); // 6 s of processor time
