import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { judge } from "../../../scripts/import-law.ts";

const checkout = fileURLToPath(new URL("../../..", import.meta.url));
/** A small checkout of its own, where every module that a planted violation imports exists and is lawful. */
let copy: string;

beforeEach(() => {
  copy = mkdtempSync(join(tmpdir(), "registryhub-architecture-"));
  for (const path of ["scripts", "tsconfig.json", ".oxlintrc.json", "package.json"])
    cpSync(join(checkout, path), join(copy, path), { recursive: true });
  symlinkSync(join(checkout, "node_modules"), join(copy, "node_modules"));
  const modules = ["runtime/deps", "kube/client", "translate/names", "controllers/hub/controller"];
  const registries = ["adapter", "index", "zookeeper/adapter", "nacos/adapter", "kinds/dubbo/provider"];
  for (const module of [
    ...modules,
    "controllers/dubbo/controller",
    ...registries.map((one) => `registries/${one}`),
  ])
    plant(`src/${module}.ts`, "");
});
afterEach(() => rmSync(copy, { recursive: true }));

function plant(file: string, text: string): void {
  const path = join(copy, file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

describe("import law", () => {
  it("holds for every module of src", () => {
    const { modules, breaches } = judge(checkout);
    expect(breaches).toEqual([]);
    expect(modules).toBeGreaterThan(20);
  });

  const planted: readonly (readonly [file: string, text: string, breach: string])[] = [
    ["model/x.ts", 'import { inspect } from "node:util";', "model may import only nothing"],
    ["model/x.ts", 'import type { Deps } from "../runtime/deps.ts";', "model may import only nothing"],
    ["translate/x.ts", 'import type { Deps } from "../runtime/deps.ts";', "translate may import only model"],
    [
      "translate/x.ts",
      'import { isIP, connect } from "node:net";',
      "imports isIP, connect from node:net: translate",
    ],
    [
      "translate/x.ts",
      'import * as net from "node:net";',
      "imports node:net: translate may import only node:crypto",
    ],
    ["plan/x.ts", 'export * from "../kube/client.ts";', "plan may import only model"],
    ["plan/x.ts", 'import { setTimeout } from "node:timers/promises";', "plan may import only node:crypto"],
    ["status/x.ts", 'import { readFileSync } from "node:fs";', "status may import only node:crypto"],
    ["runtime/x.ts", 'type T = import("../kube/client.ts").T;', "runtime may import only model"],
    ["runtime/x.ts", 'import { pino } from "pino";', "imports pino from pino: runtime may import only"],
    ["runtime/x.ts", 'import { Registry } from "prom-client";', "imports Registry from prom-client: runtime"],
    ["registries/adapter.ts", 'import { z } from "zod";', "adapter contract may import only nothing"],
    ["registries/transport/x.ts", 'import "../adapter.ts";', "transport may import only model, runtime"],
    [
      "registries/kinds/dubbo/x.ts",
      'import "../../zookeeper/adapter.ts";',
      "kinds/dubbo may import only model",
    ],
    ["registries/kinds/spring/x.ts", 'import "../dubbo/provider.ts";', "kinds/spring may import only model"],
    [
      "registries/zookeeper/x.ts",
      'import "../nacos/adapter.ts";',
      "registries/zookeeper may import only model",
    ],
    [
      "registries/nacos/x.ts",
      'const x = await import("../../kube/client.ts");',
      "registries/nacos may import only",
    ],
    ["registries/eureka/x.ts", 'import "../../translate/names.ts";', "registries/eureka may import only"],
    [
      "registries/consul/x.ts",
      'import process from "node:process";',
      "registries/consul may import only node:*",
    ],
    ["registries/index.ts", 'import "../kube/client.ts";', "registries/index may import only model"],
    ["registries/supervise.ts", 'import "./zookeeper/adapter.ts";', "supervise may import only model"],
    ["registries/helpers.ts", "", "belongs to no layer of the import law"],
    ["kube/x.ts", 'import "../registries/adapter.ts";', "kube may import only model, runtime"],
    ["kube/x.ts", 'import { z } from "zod";', "imports z from zod: kube may import only"],
    [
      "controllers/hub/x.ts",
      'import { KubeConfig } from "@kubernetes/client-node";',
      "controllers/hub may import only node:*",
    ],
    [
      "controllers/hub/x.ts",
      'import "../../registries/zookeeper/adapter.ts";',
      "controllers/hub may import only model",
    ],
    ["controllers/hub/x.ts", 'import "../dubbo/controller.ts";', "controllers/hub may import only model"],
    ["controllers/dubbo/x.ts", 'import "../hub/controller.ts";', "controllers/dubbo may import only model"],
    [
      "controllers/dubbo/x.ts",
      'import "../../registries/index.ts";',
      "controllers/dubbo may import only model",
    ],
    ["controllers/writes/x.ts", 'import "../hub/controller.ts";', "controllers/writes may import only model"],
    ["controllers/x.ts", "", "belongs to no layer of the import law"],
    [
      "controllers/hub/x.ts",
      "await import(name);",
      "imports a computed module: controllers/hub may import only",
    ],
    [
      "config.ts",
      'import { Command } from "commander";',
      "imports Command from commander: config may import only",
    ],
    ["main.ts", 'import { Agent } from "undici";', "imports Agent from undici: main may import only"],
    ["model/x.ts", 'import "./gone.ts";', "imports src/model/gone.ts, which does not exist"],
    ["model/x.ts", 'import "./x.ts";', "import cycle src/model/x.ts → src/model/x.ts"],
  ];

  it.each(planted)("catches in src/%s: %s", (file, text, breach) => {
    plant(`src/${file}`, `\n${text}\n`);
    const [first = "", ...rest] = judge(copy).breaches;
    expect(first).toContain(breach);
    expect(first).toMatch(new RegExp(`^src/${file}:[12] `));
    expect(rest).toEqual([]);
  });

  it("finds a cycle through several modules, types included", () => {
    plant("src/model/a.ts", 'import type { B } from "./b.ts";\nexport type A = B;\n');
    plant("src/model/b.ts", 'import type { A } from "./a.ts";\nexport type B = A;\n');
    expect(judge(copy).breaches).toEqual([
      "src/model/a.ts:1 import cycle src/model/a.ts → src/model/b.ts → src/model/a.ts",
    ]);
  });

  it("fails the command", () => {
    plant("src/model/x.ts", 'import "node:fs";\n');
    const { status, stderr } = spawnSync(process.execPath, ["scripts/import-law.ts"], {
      cwd: copy,
      encoding: "utf8",
    });
    expect(stderr).toContain("src/model/x.ts:1 imports node:fs: model may import only nothing");
    expect(status).toBe(1);
  });
});

describe("lint", () => {
  const planted: readonly (readonly [rule: string, file: string, text: string])[] = [
    ["no-restricted-globals", "translate/x.ts", "export const now = (): number => Date.now();"],
    [
      "no-restricted-globals",
      "plan/x.ts",
      "export const later = (): unknown => setTimeout(() => undefined, 1);",
    ],
    ["no-restricted-globals", "kube/x.ts", "export const home = process.env.HOME;"],
    ["no-restricted-properties", "kube/x.ts", "export const dice = (): number => Math.random();"],
    ["no-console", "kube/x.ts", 'export const say = (): void => console.log("x");'],
    ["no-default-export", "kube/x.ts", "export default 1;"],
    [
      "no-floating-promises",
      "kube/x.ts",
      "const f = async (): Promise<void> => {};\nexport const g = (): void => {\n  f();\n};",
    ],
    [
      "switch-exhaustiveness-check",
      "model/x.ts",
      'export const f = (x: "a" | "b"): number => {\n  switch (x) {\n    case "a":\n      return 1;\n  }\n  return 2;\n};',
    ],
    ["max-lines", "kube/x.ts", `export const x = [\n${"  1,\n".repeat(300)}];`],
    ["max-lines-per-function", "kube/x.ts", `export function f(): void {\n${"  f();\n".repeat(60)}}`],
  ];

  it.each(planted)("%s is enforced in src/%s", (rule, file, text) => {
    plant(`src/${file}`, `${text}\n`);
    const oxlint = join(checkout, "node_modules/oxlint/bin/oxlint");
    const { status, stdout } = spawnSync(
      process.execPath,
      [oxlint, "--type-aware", "--deny-warnings", "--format=unix", `src/${file}`],
      { cwd: copy, encoding: "utf8" },
    );
    expect(stdout).toMatch(new RegExp(`x\\.ts:\\d+:\\d+: .*${rule}`));
    expect(status).toBe(1);
  });
});
