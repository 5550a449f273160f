import { expect, test } from "vitest";
import { errorOf } from "../../../src/kube/errors.ts";
import { obstacleOf } from "../../../src/kube/reflector.ts";

const error = (code: number, message = "") =>
  errorOf({ method: "GET", path: "/apis/x/v1/things" }, { code, message });

test.each([
  ["nothing was listed yet", { state: "pending" }, false],
  ["nothing could be listed", { state: "pending", error: error(503) }, true],
  ["all is well", { state: "synced" }, false],
  ["a right was taken away", { state: "stale", error: error(403) }, true],
  ["the resource type is gone", { state: "stale", error: error(404) }, true],
  // A CRD that was established a moment ago: its watch ends once, and is back within a second.
  ["the storage is starting", { state: "stale", error: error(429, "storage is (re)initializing") }, false],
  ["the server is ill", { state: "stale", error: error(500) }, false],
] as const)("%s", (_, status, isTold) => {
  expect(obstacleOf(status) !== undefined).toBe(isTold);
});
