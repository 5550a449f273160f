import { describe, expect, test } from "vitest";
import type { Condition, HubStatus } from "../../../src/model/registryhub.ts";
import { transitionsBetween } from "../../../src/status/transitions.ts";
import { hubStatus } from "../../support/model.ts";

type Said = readonly [Condition["type"], Condition["status"], string];

const until = "2024-02-04T02:05:00Z";
const hold = { since: "2024-02-04T02:00:00Z", until, services: 4, endpoints: 10 };

const statusOf = (said: readonly Said[], fields: Partial<HubStatus> = {}): HubStatus =>
  hubStatus({
    conditions: said.map(([type, status, reason]) => ({
      type,
      status,
      reason,
      message: `what ${reason} means`,
      lastTransitionTime: "2024-02-04T02:00:00Z",
      observedGeneration: 1,
    })),
    ...fields,
  });

/** "<type> <reason>" of each. */
const told = (...[before, after, released = ""]: [HubStatus | undefined, HubStatus, string?]) =>
  transitionsBetween(before, after, released).map(({ type, reason }) => `${type} ${reason}`);

const synced: Said = ["RegistrySynced", "True", "Synced"];
const connecting: Said = ["RegistrySynced", "Unknown", "Connecting"];
const lost: Said = ["RegistrySynced", "False", "RegistryUnreachable"];
const refused: Said = ["RegistrySynced", "False", "RegistryUnauthorized"];
const bug: Said = ["RegistrySynced", "False", "InternalError"];
const applied: Said = ["Applied", "True", "Applied"];
const observing: Said = ["Applied", "True", "Observing"];
const syncing: Said = ["Applied", "Unknown", "Syncing"];
const forbidden: Said = ["Applied", "False", "NamespaceNotAllowed"];

test.each<[string, Said | undefined, Said, readonly string[]]>([
  ["a registry that is found for the first time", undefined, synced, ["Normal Synced"]],
  ["one that is listed after an edit", connecting, synced, ["Normal Synced"]],
  ["one that is lost", synced, lost, ["Warning RegistryUnreachable"]],
  ["one that fails in another way", lost, refused, ["Warning RegistryUnauthorized"]],
  ["one that is found again", refused, synced, ["Normal Synced"]],
  ["one that was never read", undefined, lost, ["Warning RegistryUnreachable"]],
  ["one that stays lost", lost, lost, []],
  ["one that stays", synced, synced, []],
  ["an edit of its address", synced, connecting, []],
  ["a bug, which has an Event of its own", synced, bug, []],
  ["its end", bug, synced, ["Normal Synced"]],
  ["a target that is not allowed", applied, forbidden, ["Warning NamespaceNotAllowed"]],
  ["one that is allowed again", syncing, applied, ["Normal Applied"]],
  ["a hub that begins to observe", applied, observing, []],
  ["a hub that observes from the start", undefined, observing, []],
  ["one that ends observing with nothing to write", observing, applied, []],
])("%s", (_, before, after, expected) => {
  expect(told(before && statusOf([before]), statusOf([after]))).toEqual(expected);
});

test("the message is that of the condition", () => {
  expect(transitionsBetween(statusOf([synced]), statusOf([lost]), "")).toEqual([
    { type: "Warning", reason: "RegistryUnreachable", message: "what RegistryUnreachable means" },
  ]);
});

describe("a hold", () => {
  const held = (reason: string) => statusOf([["DeletionHeld", "True", reason]], { hold });
  const settling = held("Settling");
  const nothing: Said = ["DeletionHeld", "False", "NothingHeld"];
  const over = statusOf([nothing]);
  const suspended = statusOf([nothing, ["Ready", "True", "Suspended"]]);
  test.each<[string, HubStatus, HubStatus, string, readonly string[]]>([
    ["ends by itself", held("Shrunk"), over, "", ["Normal HoldEnded"]],
    ["ends after lost data, too", held("RegistryReset"), over, "", ["Normal HoldEnded"]],
    ["ends in settling", held("Shrunk"), settling, "", ["Normal HoldEnded"]],
    ["is released", held("Shrunk"), over, until, ["Normal HoldReleased"]],
    [
      "ends although an earlier one was released",
      held("Shrunk"),
      over,
      "2024-02-03T00:00:00Z",
      ["Normal HoldEnded"],
    ],
    ["is not over for a hub that is suspended", held("Shrunk"), suspended, "", []],
    ["is not over for a hub that observes", held("Shrunk"), statusOf([nothing, observing]), "", []],
    ["goes on as another one", held("RegistryReset"), held("Shrunk"), "", []],
    ["goes on", held("Shrunk"), held("Shrunk"), "", []],
    ["that is mere settling is not told of", settling, over, "", []],
    ["begins: that is told where it is judged", over, held("Shrunk"), "", []],
  ])("%s", (_, before, after, released, expected) => {
    expect(told(before, after, released)).toEqual(expected);
  });
});

test("what belonged to another registry or target is not over, and not found again", () => {
  const before = statusOf([lost, ["DeletionHeld", "True", "Shrunk"]], { hold, address: "other:2181" });
  expect(told(before, statusOf([connecting, ["DeletionHeld", "False", "NothingHeld"]]))).toEqual([]);
  expect(told(before, statusOf([lost]))).toEqual(["Warning RegistryUnreachable"]);
});
