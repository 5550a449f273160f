import { expect, it } from "vitest";
import { createLogger } from "../../../src/runtime/logger.ts";

it("writes one JSON line per call, with fields and without secrets", () => {
  const lines: string[] = [];
  const logger = createLogger("info", { write: (line: string) => lines.push(line) }).child({ hub: "a/b" });
  logger.debug("too quiet");
  logger.warn("registry lost", {
    error: new Error("gone"),
    credentials: { password: "s3cret", token: "t0ken" },
  });
  const [line, ...rest] = lines.map((text) => JSON.parse(text) as { readonly time: string });
  expect(rest).toEqual([]);
  expect(line).toMatchObject({ level: "warn", hub: "a/b", msg: "registry lost", error: { message: "gone" } });
  expect(new Date(line?.time ?? "").toISOString()).toBe(line?.time);
  expect(lines.join()).not.toMatch(/s3cret|t0ken/);
});
