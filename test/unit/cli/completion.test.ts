import { spawnSync } from "node:child_process";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { runProgram } from "../../../src/cli/program.ts";

/** No command of people asks for it. */
const page = new URL("file:///nowhere/");

/** What the program prints. */
async function printed(...args: readonly string[]): Promise<string> {
  let text = "";
  vi.spyOn(process.stdout, "write").mockImplementation((part) => {
    text += String(part);
    return true;
  });
  await runProgram(args, {}, page).finally(() => vi.restoreAllMocks());
  return text;
}

let script: string;
beforeAll(async () => {
  script = await printed("completion", "bash");
});

/** What bash offers for the last of these words. */
function offered(...words: readonly string[]): readonly string[] {
  const line = `${script}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_registryhub
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr, status } = spawnSync(
    "bash",
    ["--norc", "-uc", line, "bash", "registryhub", ...words],
    {
      encoding: "utf8",
    },
  );
  expect([status, stderr]).toEqual([0, ""]);
  return stdout.split("\n").filter((one) => one !== "");
}

describe("bash completes", () => {
  test.each([
    [["st"], ["status"]],
    [["status", "-A", "--out"], ["--output"]],
    [
      ["hold", ""],
      ["release", "-h", "--help"],
    ],
    [["hold", "release", "--kubec"], ["--kubeconfig"]],
    [
      ["explain", "-o", ""],
      ["json", "yaml", "wide"],
    ],
    [["explain", "-n", ""], []],
    [["completion", "z"], ["zsh"]],
    [["uninstall", "--d"], ["--dry-run"]],
    [["doctor", "--p"], ["--pod"]],
  ])("%j", (words, candidates) => {
    expect(offered(...words)).toEqual(candidates);
  });

  test("no command that people have no use for", () => {
    expect(offered("_")).toEqual([]);
  });
});

test("zsh gets the same, by bashcompinit", async () => {
  const zsh = await printed("completion", "zsh");
  expect(zsh.endsWith(script)).toBe(true);
  expect(zsh).toContain("bashcompinit");
});

test("kubectl is told candidates, and that files are none", async () => {
  expect(await printed("__complete", "--", "hold", "rel")).toBe("release\n:4\n");
  expect(await printed("__complete", "--", "status", "-o", "")).toBe("json\nyaml\nwide\n:4\n");
});
