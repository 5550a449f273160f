import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runSuites, type SuiteProcess } from "../../../scripts/test/run-suites.ts";
import type { Tally } from "../../support/tally.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "registryhub-suites-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A suite that runs this text, in which `fs` is node:fs, `note` writes a line of results, `here(name)` is a path. */
const suite = (name: string, text: string, processors: SuiteProcess["processors"] = 1): SuiteProcess => ({
  name,
  processors,
  command: process.execPath,
  args: [
    "--input-type=module",
    "--eval",
    `import * as fs from "node:fs";
    const note = (line) => fs.appendFileSync(process.env.TEST_RESULTS, JSON.stringify(line) + "\\n");
    const here = (name) => ${JSON.stringify(folder)} + "/" + name;
    ${text}`,
  ],
});
const passes = 'note({ files: 1 }); note({ ended: "a.test.ts" }); note({ passed: 2, failures: [] });';
/** Ends only if the other one runs at the same time. */
const meets = (own: string, other: string): string => `
  fs.writeFileSync(here("${own}"), "");
  while (!fs.existsSync(here("${other}"))) await new Promise((resolve) => setTimeout(resolve, 10));
  ${passes}`;
/** Fails if another one like it runs at the same time. */
const isAlone = `
  fs.mkdirSync(here("alone"));
  await new Promise((resolve) => setTimeout(resolve, 300));
  fs.rmdirSync(here("alone"));
  ${passes}`;

async function runAll(suites: readonly SuiteProcess[], processors = 2): Promise<Tally & { output: string }> {
  let output = "";
  const tally = await runSuites(suites, processors, (text) => {
    output += text;
  });
  return { ...tally, output };
}

describe("the suites of make test", () => {
  it("run beside each other as long as there are processors for them", async () => {
    const { passed, failures } = await runAll([suite("a", meets("a", "b")), suite("b", meets("b", "a"))]);
    expect({ passed, failures }).toEqual({ passed: 4, failures: [] });
  });

  it("wait for those before them where they would keep more processors busy than there are", async () => {
    const three = ["a", "b", "c"].map((name) => suite(name, isAlone, 1.5));
    expect(await runAll(three)).toMatchObject({ passed: 6, failures: [] });
  });

  it("are alone where they say so, and run even if there are not as many processors", async () => {
    const mixed = [suite("a", isAlone, 0.5), suite("b", isAlone, "all"), suite("c", isAlone, 9)];
    expect(await runAll(mixed)).toMatchObject({ passed: 6, failures: [] });
  });

  it("are told of: what runs, how far it is, what is to come, and what each has printed, in one piece", async () => {
    const { output } = await runAll([
      suite("a", `console.log("first"); console.error("second"); ${passes}`, "all"),
      suite("b", passes),
    ]);
    expect(output).toMatch(/make test, 0 min; running: a 0\/0; to come: b\n/);
    expect(output).toMatch(/--- a: \d+ s ---\nfirst\nsecond\n--- end of a ---\n/);
  });

  it("fail by the name of each test that failed", async () => {
    const failures = ["✗ a.test.ts › one: broken", "✗ a.test.ts › two: broken"];
    const text = `note({ passed: 3, failures: ${JSON.stringify(failures)} }); process.exitCode = 1;`;
    const tally = await runAll([suite("a", text), suite("b", passes)]);
    expect(tally).toMatchObject({ passed: 5, failures });
  });

  it.each([
    [
      "a process that ends badly though its tests passed",
      `${passes} process.exitCode = 3;`,
      "ended with exit code 3",
    ],
    ["a process that ends without results", "", "no test ran"],
    ["a process that is killed", 'process.kill(process.pid, "SIGKILL");', "ended with a signal"],
    ["a suite in which no test ran", "note({ passed: 0, failures: [] });", "no test ran"],
  ])("fail for %s", async (_, text, reason) => {
    expect((await runAll([suite("a", text)])).failures).toEqual([`✗ a: ${reason}`]);
  });
});
