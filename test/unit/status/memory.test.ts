import { expect, test } from "vitest";
import type { HubStatus } from "../../../src/model/registryhub.ts";
import { nothingRemembered, rememberedTrust } from "../../../src/status/memory.ts";
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
  ["nothing where there is none", undefined, [], nothingRemembered],
])("of trust it remembers %s", (_, before, hub, expected) => {
  expect(rememberedTrust(before, hubOf(...hub))).toEqual(expected);
});
