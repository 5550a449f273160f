import { describe, expect, test } from "vitest";
import { HostLedger } from "../../../../src/controllers/hub/ledger.ts";
import { leaveToOtherLane, type OtherHub, OtherLanes } from "../../../../src/controllers/hub/other-lanes.ts";
import type { Entry } from "../../../../src/model/entry.ts";
import { claimOf } from "../../../../src/plan/claims.ts";
import { fakeClock } from "../../../support/fake-clock.ts";
import { claimOf as claim, endpointOf, hubOf } from "../../../support/model.ts";

const host = "demo/demo.a.demo";

/** A hub of another lane that exists since a day in January. */
function other(name: string, day: number): OtherHub {
  const createdAt = `2026-01-0${day}T00:00:00Z`;
  const hub = hubOf({ generate_to: "demo" }, { namespace: "demo", name, creationTimestamp: createdAt });
  const { id, key, target } = hub;
  return { id, key, target, createdAt, hub };
}

const [old, middle, young] = [other("old", 1), other("middle", 2), other("young", 3)];
/** Only what decides: whom the entry names. */
const entryOf = (...hubs: readonly OtherHub[]): Entry =>
  ({ hubs: new Map(hubs.map(({ id, key }) => [id, key])), endpoints: new Map() }) as Partial<Entry> as Entry;

const lanesOf = (...hubs: readonly OtherHub[]): OtherLanes => {
  const lanes = new OtherLanes();
  for (const hub of hubs) lanes.put(hub);
  return lanes;
};

describe("a host belongs to the oldest of the hubs that its entry names", () => {
  test.each([
    ["the other lanes' one, whatever came first", [young, middle], [], entryOf(middle, young), "demo/middle"],
    ["another lane's one", [old], [middle], entryOf(old, middle), "demo/old"],
    ["this lane's one", [middle], [old, young], entryOf(old, middle, young), undefined],
    ["none that it does not name", [old, middle], [], entryOf(middle), "demo/middle"],
    ["nobody's of another lane", [old], [middle], entryOf(middle), undefined],
  ])("%s", (_, others, own, entry, owner) => {
    expect(lanesOf(...others).ownerOf(host, entry, () => own)).toBe(owner);
  });
});

describe("a hub of another lane", () => {
  test("lists nothing here and writes nothing; what the cluster has of it stays", () => {
    const [claimant] = lanesOf(old).claimants();
    const inputs = claimant?.claimInputs(host, entryOf(old));
    expect(inputs && claimOf(host, entryOf(old), inputs)).toMatchObject({
      key: "demo/old",
      mayWrite: false,
      listed: [],
      unlisted: "unknown",
    });
  });

  test("claims nothing if it cannot be read, but keeps its hosts", () => {
    const lanes = lanesOf({ ...old, hub: undefined });
    expect(lanes.claimants()).toEqual([]);
    expect(lanes.ownerOf(host, entryOf(old), () => [])).toBe("demo/old");
  });

  test("is news when it appears, changes or returns", () => {
    const lanes = new OtherLanes();
    expect([lanes.put(old), lanes.put(other("old", 1)), lanes.put(other("old", 2))]).toEqual([
      true,
      false,
      true,
    ]);
    expect([lanes.delete(old.key), lanes.delete(old.key), lanes.put(old)]).toEqual([true, false, true]);
  });
});

describe("a host that is left to another lane", () => {
  /** What hubs of this lane have recorded of the host, which was to be written, after they have left it to hub old. */
  function left(...names: readonly string[]) {
    const hubs = names.map((name) => {
      const ledger = new HostLedger(fakeClock(), () => undefined);
      ledger.markPending([host], "decision");
      ledger.recordDryRun(host, "create");
      return { hub: hubOf({}, { namespace: "demo", name }), ledger };
    });
    const own = hubs.map(({ hub }) => hub);
    const claims = new Map([
      [own[0]?.id ?? "", claim("demo/lists", { listed: [endpointOf("10.0.0.1:20880")] })],
      [own[1]?.id ?? "", claim("demo/owns")],
      [own[2]?.id ?? "", claim("evil/namesake")],
    ]);
    leaveToOtherLane(host, "demo/old", claims, hubs);
    return hubs.map(({ ledger }) => ledger);
  }

  test("waits for no write, and each hub that claims it says so", () => {
    const ledgers = left("lists", "owns", "namesake", "silent");
    const detail =
      "hub demo/old has the ServiceEntry of this host and is in another lane, so what this hub lists does not change it; give both hubs the labels of one lane";
    const about = { at: "demo.a.demo", code: "OtherLane", detail };
    expect(ledgers.map(({ problems }) => problems)).toEqual([
      [{ ...about, severity: "rejected" }],
      [{ ...about, severity: "warning" }],
      [],
      [],
    ]);
    expect(ledgers.map((ledger) => ledger.isUnwritten(host))).toEqual([false, false, false, false]);
    expect(ledgers.map(({ plan }) => plan)).toEqual(Array(4).fill({ create: 0, change: 0, remove: 0 }));
  });
});
