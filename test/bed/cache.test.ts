import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { fillCache } from "./cache.ts";
import { temporaryFolder } from "./watchdog.ts";

test("two that want the same thing build it once", async () => {
  await using folder = temporaryFolder("cache-test");
  const path = join(folder.path, "thing");
  let builds = 0;
  const build = async (temporaryPath: string) => {
    builds++;
    await setImmediate();
    expect(existsSync(path)).toBe(false);
    await writeFile(temporaryPath, "whole");
  };
  await Promise.all([fillCache(path, [{ path, build }]), fillCache(path, [{ path, build }])]);
  expect([builds, await readFile(path, "utf8")]).toEqual([1, "whole"]);
});

test("a build that fails leaves nothing that looks done, and the next one starts over", async () => {
  await using folder = temporaryFolder("cache-test");
  const path = join(folder.path, "thing");
  const failing = async (temporaryPath: string) => {
    await writeFile(temporaryPath, "half");
    throw new Error("disk full");
  };
  await expect(fillCache(path, [{ path, build: failing }])).rejects.toThrow("disk full");
  expect(existsSync(path)).toBe(false);
  await fillCache(path, [
    { path, build: (temporaryPath) => writeFile(temporaryPath, "whole", { flag: "wx" }) },
  ]);
  expect(await readFile(path, "utf8")).toBe("whole");
});

test("what can no longer be used is built again", async () => {
  await using folder = temporaryFolder("cache-test");
  const path = join(folder.path, "thing");
  await writeFile(path, "old");
  const isUsable = () => false;
  await fillCache(path, [{ path, isUsable, build: (temporaryPath) => writeFile(temporaryPath, "new") }]);
  expect(await readFile(path, "utf8")).toBe("new");
});
