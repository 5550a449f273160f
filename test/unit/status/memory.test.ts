import { describe, expect, test } from "vitest";
import type { HubStatus } from "../../../src/model/registryhub.ts";
import {
  nothingRemembered,
  type Progress,
  rememberedTrust,
  rememberedWarnings,
  whatToKeep,
} from "../../../src/status/memory.ts";
import { hubOf } from "../../support/model.ts";

const hold = { since: "2024-02-04T02:00:00Z", until: "2024-02-04T02:05:00Z", services: 4, endpoints: 10 };
const status: HubStatus = {
  address: "zookeeper.dubbozk:2181",
  type: "zookeeper",
  generate_to: "dubbozk",
  phase: "success",
  serviceentries: {},
  conditions: [
    {
      type: "DeletionHeld",
      status: "True",
      reason: "Shrunk",
      message: "",
      lastTransitionTime: "2024-02-04T02:00:00Z",
      observedGeneration: 1,
    },
  ],
  observedGeneration: 1,
  services: 6,
  endpoints: 10,
  rejected: 0,
  problems: [],
  hold,
  origin: "o1",
  truncated: 0,
};
const held = { reason: "Shrunk", hold };
const reasoned = (overrides: Partial<HubStatus["conditions"][number]>): HubStatus => ({
  ...status,
  conditions: status.conditions.map((one) => ({ ...one, ...overrides })),
});

test.each<[string, HubStatus | undefined, Parameters<typeof hubOf>, unknown]>([
  ["origin and hold of the hub that it tells of", status, [], { origin: "o1", held }],
  [
    "a reset hold as well",
    reasoned({ reason: "RegistryReset" }),
    [],
    { origin: "o1", held: { reason: "RegistryReset", hold } },
  ],
  [
    "the hold, whatever else is true",
    {
      ...status,
      conditions: [
        ...reasoned({ type: "RegistrySynced", reason: "Synced" }).conditions,
        ...status.conditions,
      ],
    },
    [],
    { origin: "o1", held },
  ],
  [
    "the hold alone, when the hub was edited since (H10)",
    status,
    [{ zookeeper: { root: "/x" } }, { generation: 2 }],
    { origin: "", held },
  ],
  ["nothing of another address", status, [{ address: "other:2181" }], nothingRemembered],
  ["nothing of another type", status, [{ type: "nacos" }], nothingRemembered],
  ["nothing of another target", status, [{ generate_to: "other" }], nothingRemembered],
  ["no hold in mere settling", reasoned({ reason: "Settling" }), [], { origin: "o1", held: undefined }],
  ["no hold that no condition names", reasoned({ status: "False" }), [], { origin: "o1", held: undefined }],
  [
    "no hold without its times",
    { ...status, hold: undefined } as unknown as HubStatus,
    [],
    { origin: "o1", held: undefined },
  ],
  ["nothing where there is none", undefined, [], nothingRemembered],
])("of trust it remembers %s", (_, before, hub, expected) => {
  expect(rememberedTrust(before, hubOf(...hub))).toEqual(expected);
});

describe("of what an earlier process told it keeps", () => {
  const fresh = { isListed: false, hasAnswered: false, hasMoved: false, isFresh: true } as const;
  const silent = { ...fresh, isFresh: false };
  const edited = hubOf({ l7: false }, { generation: 2 });
  const unserved = (reason: "InvalidSpec" | "InternalError"): HubStatus => ({
    ...status,
    conditions: [
      ...status.conditions,
      ...reasoned({ type: "RegistrySynced", status: "False", reason }).conditions,
    ],
  });

  test.each<[string, HubStatus | undefined, Parameters<typeof whatToKeep>[1], Progress, string]>([
    ["all in the first moments", status, hubOf(), fresh, "all"],
    ["all in the first moments after an edit", status, edited, fresh, "all"],
    ["the writes while the registry is silent", status, hubOf(), silent, "applied"],
    [
      "the writes when it has answered with an error",
      status,
      hubOf(),
      { ...fresh, hasAnswered: true },
      "applied",
    ],
    ["nothing of another spec, after the first moments", status, edited, silent, "nothing"],
    [
      "the writes of a suspended hub, whatever was edited",
      status,
      { ...edited, suspend: true },
      silent,
      "applied",
    ],
    ["the writes of a hub without a session", status, edited, { ...silent, hasNoSession: true }, "applied"],
    ["nothing once the registry is listed", status, hubOf(), { ...fresh, isListed: true }, "nothing"],
    ["nothing of another registry", status, hubOf(), { ...fresh, hasMoved: true }, "nothing"],
    ["nothing of another address", status, hubOf({ address: "other:2181" }), fresh, "nothing"],
    ["nothing of the old product", { ...status, conditions: [] }, hubOf(), fresh, "nothing"],
    ["nothing where there is nothing", undefined, hubOf(), fresh, "nothing"],
    ["all of an unreadable spec", unserved("InvalidSpec"), hubOf(), fresh, "all"],
    ["nothing of an unreadable spec that was edited", unserved("InvalidSpec"), edited, fresh, "nothing"],
    ["nothing of a bug, after an edit", unserved("InternalError"), edited, fresh, "nothing"],
  ])("%s", (_, previous, hub, progress, kept) => {
    expect(whatToKeep(previous, hub, progress)).toBe(kept);
  });
});

test("the warnings of a code are remembered, as they were said", () => {
  const problems = [
    { at: "a", problem: "ShadowsService: x: y", severity: "warning" as const },
    { at: "b", problem: "ShadowsService: x", severity: "rejected" as const },
    { at: "c", problem: "AmbientNoL7: x", severity: "warning" as const },
  ];
  expect(rememberedWarnings("ShadowsService", { problems })).toEqual([
    { at: "a", code: "ShadowsService", detail: "x: y", severity: "warning" },
  ]);
  expect(rememberedWarnings("ShadowsService", undefined)).toEqual([]);
});
