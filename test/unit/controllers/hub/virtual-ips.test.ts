import { describe, expect, test } from "vitest";
import {
  mayKeepVip,
  strangersAt,
  type VipContext,
  vipOf,
} from "../../../../src/controllers/hub/virtual-ips.ts";
import { EntryIndex, type HostObject } from "../../../../src/controllers/writes/entry-index.ts";
import type { Entry } from "../../../../src/model/entry.ts";
import type { ServiceEntry } from "../../../../src/model/istio.ts";
import { planHost } from "../../../../src/plan/host.ts";
import { hubIdOf } from "../../../../src/translate/names.ts";
import { serviceEntryOf } from "../../../../src/translate/service-entry.ts";
import { claimOf, endpointOf, inputOf, pool } from "../../../support/model.ts";

const vip = "240.241.0.9";
const [old, young] = ["2024-01-01T00:00:00Z", "2024-02-02T00:00:00Z"] as const;

/** The entry of `a.<namespace>`, written for a hub of the namespace. */
function entryIn(namespace: string): Entry {
  const claims = new Map([
    [hubIdOf(`${namespace}/hub`), claimOf(`${namespace}/hub`, { listed: [endpointOf("10.0.0.1:1")] })],
  ]);
  const { step } = planHost(inputOf({ host: `${namespace}/a.${namespace}`, claims, vip }));
  if (step.op !== "apply") throw new Error(`planned ${step.op}`);
  return step.entry;
}

const created = (object: ServiceEntry, creationTimestamp: string): ServiceEntry => ({
  ...object,
  metadata: { ...object.metadata, creationTimestamp },
});
const written = (namespace: string, at: string = young): ServiceEntry =>
  created(serviceEntryOf(entryIn(namespace)), at);
/** Somebody has given it the address. */
const edited = (object: ServiceEntry): ServiceEntry => {
  const elsewhere = serviceEntryOf({ ...entryIn(object.metadata.namespace ?? ""), vip: "240.241.0.1" });
  return created({ ...elsewhere, spec: object.spec }, object.metadata.creationTimestamp ?? "");
};
const unlabelled = (object: ServiceEntry): ServiceEntry => ({
  ...object,
  metadata: { ...object.metadata, labels: {} },
});

const host = "mine/a.mine";

/** The cluster has our entry and others; the hubs mine/hub and other/hub exist. */
function contextOf(...objects: readonly ServiceEntry[]): {
  readonly context: VipContext;
  readonly found: HostObject;
} {
  const byKey = new Map(objects.map((one) => [`${one.metadata.namespace}/${one.metadata.name}`, one]));
  const entries = new EntryIndex(byKey);
  for (const key of byKey.keys()) entries.update(key);
  const targets: Readonly<Record<string, string>> = { "mine/hub": "mine", "other/hub": "other" };
  const context = { entries, objects: byKey, pool, targetOf: (hub: string) => targets[hub] };
  return { context, found: entries.hostObject(host) as HostObject };
}

describe("two ServiceEntries with one virtual IP", () => {
  const foreignHub = written("nowhere", old);
  const namesOurHub: ServiceEntry = {
    ...foreignHub,
    metadata: {
      ...foreignHub.metadata,
      annotations: { ...foreignHub.metadata.annotations, "ecns.easystack.cn/hubs": "mine/hub" },
    },
  };

  test.each<[string, ServiceEntry, ServiceEntry, boolean, readonly string[]]>([
    ["an older one of ours: it moves", written("mine"), written("other", old), false, []],
    ["a younger one of ours: it stays", written("mine", old), written("other"), true, []],
    [
      "an older one that somebody has put there: it stays",
      written("mine"),
      edited(written("other", old)),
      true,
      [],
    ],
    [
      "a younger one, and somebody has put it there itself: it moves",
      edited(written("mine", old)),
      written("other"),
      false,
      [],
    ],
    [
      "an older one without our label",
      written("mine"),
      unlabelled(written("other", old)),
      true,
      ["other/aeraki-a-other"],
    ],
    [
      "an older one with our label, of a hub that does not exist",
      written("mine"),
      foreignHub,
      true,
      ["nowhere/aeraki-a-nowhere"],
    ],
    [
      "an older one with our label that names a hub of another target",
      written("mine"),
      namesOurHub,
      true,
      ["nowhere/aeraki-a-nowhere"],
    ],
  ])("%s", (_, mine, other, stays, strangers) => {
    const { context, found } = contextOf(mine, other);
    expect(mayKeepVip(context, found)).toBe(stays);
    expect(vipOf(context, host, found, "") === vip).toBe(stays);
    expect(strangersAt(context, found)).toEqual(strangers);
  });
});

describe("a virtual IP outside of the range", () => {
  const ours = serviceEntryOf({ ...entryIn("mine"), vip: "10.0.0.1" });
  const byOthers: ServiceEntry = { ...written("mine"), spec: ours.spec };

  test.each<[string, ServiceEntry, boolean]>([
    ["stays where the operator wrote it", ours, true],
    ["goes where somebody else did", byOthers, false],
  ])("%s", (_, object, stays) => {
    const { context, found } = contextOf(object);
    expect([found.entry?.vip, mayKeepVip(context, found)]).toEqual(["10.0.0.1", stays]);
  });
});

describe("the virtual IP of an entry that somebody deleted", () => {
  test.each<[string, ServiceEntry, boolean]>([
    ["is its own, though a stranger has it", unlabelled(written("other", old)), true],
    ["is not, if another one of ours has it", written("other"), false],
  ])("%s", (_, other, stays) => {
    const { context } = contextOf(other);
    expect(vipOf(context, host, undefined, vip) === vip).toBe(stays);
  });

  test("is not, if another host is about to get it", () => {
    const { context } = contextOf();
    context.entries.reserve(vip, "other/a.other");
    expect(vipOf(context, host, undefined, vip)).not.toBe(vip);
    context.entries.release("other/a.other");
    expect(vipOf(context, host, undefined, vip)).toBe(vip);
  });

  test("is its own, also if it is outside of the range, and one of the range if there was none", () => {
    expect(vipOf(contextOf().context, host, undefined, "10.0.0.1")).toBe("10.0.0.1");
    expect(vipOf(contextOf().context, host, undefined, "")).toMatch(/^240\.241\./);
  });
});
