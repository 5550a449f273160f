import { describe, expect, it } from "vitest";
import { inBrief } from "../../support/tally.ts";

describe("the error of a failed test", () => {
  it("is its first line, and what a server said at last", () => {
    const log = ["starting", "1", "2", "Caused by: Login timeout exceeded", "\tat a.B.c(D.java:1)", "ended"];
    expect(inBrief(["Nacos exited. The end of its log:", ...log].join("\n"))).toBe(
      [
        "Nacos exited. The end of its log:",
        "    1",
        "    2",
        "    Caused by: Login timeout exceeded",
        "    ended",
      ].join("\n"),
    );
  });

  it("is one line when it has one", () => {
    expect(inBrief("expected 1 to be 2")).toBe("expected 1 to be 2");
  });
});
