import { expect, it } from "vitest";

// A test runner started directly, not through npm, runs on whatever Node the machine has.
it("runs on Node 24", () => {
  expect(process.version).toMatch(/^v24\./);
});
