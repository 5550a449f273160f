import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { runProgram } from "../../../src/cli/program.ts";

/** No command of people asks for it. */
const page = new URL("file:///nowhere/");

const main = fileURLToPath(new URL("../../../src/main.ts", import.meta.url));

/** Nobody listens there. */
const dead = "127.0.0.1:1";

let home: string;
let preview: readonly string[];
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), "registryhub-exit-codes-"));
  preview = previewOf("zookeeper", dead);
});
afterAll(() => rmSync(home, { recursive: true }));

/** The command line for a hub. */
function previewOf(type: string, address: string): readonly string[] {
  const file = join(home, "hub.yaml");
  const hub = {
    kind: "RegistryHub",
    metadata: { name: "hub" },
    spec: { type, address, generate_to: "shop" },
  };
  writeFileSync(file, JSON.stringify(hub));
  return ["preview", "-f", file];
}

/** Runs the program in this process, at a home without ~/.kube/config. */
async function run(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const said = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const)
    vi.spyOn(process[stream], "write").mockImplementation((text) => {
      said[stream] += String(text);
      return true;
    });
  const code = await runProgram(args, { HOME: home, ...env }, page).finally(() => vi.restoreAllMocks());
  return { code, ...said };
}

const commands = (): Readonly<Record<string, readonly string[]>> => ({
  "hub-controller": ["hub-controller"],
  "dubbo-controller": ["dubbo-controller"],
  preview,
  "preview --diff": [...preview, "--diff"],
  explain: ["explain", "demo.a.demo"],
  "doctor --pod": ["doctor", "--pod", "demo/app"],
  "hold release": ["hold", "release", "hub"],
  uninstall: ["uninstall", "--dry-run"],
});
const argsOf = (command: string): readonly string[] => commands()[command] ?? [command];
const helpful = "(--help lists what there is)\n";

describe("exit code 2 and the next step:", () => {
  test.each([
    "hub-controller",
    "dubbo-controller",
    "preview",
    "preview --diff",
    "status",
    "explain",
    "events",
    "doctor",
    "doctor --pod",
    "hold release",
    "uninstall",
    "version",
  ])("%s with an unknown flag", async (command) => {
    const stderr = `error: unknown option '--no-such'\n${helpful}`;
    expect(await run([...argsOf(command), "--no-such"])).toEqual({ code: 2, stdout: "", stderr });
  });

  test.each([
    ["hub-controller", "--shrink-hold=5", "not a duration such as 45s, 10m or 24h"],
    ["dubbo-controller", "--inbound-filters=yes", "neither true nor false"],
    ["preview", "--empty-grace=5", "not a duration such as 45s, 10m or 24h"],
    ["preview --diff", "--root-namespace=", "not the name of a namespace"],
  ])("%s with the value %s", async (command, flag, advice) => {
    const stderr = `${flag}: ${advice}\n`;
    expect(await run([...argsOf(command), flag])).toEqual({ code: 2, stdout: "", stderr });
  });

  test("a command that does not exist", async () => {
    const stderr = `error: unknown command 'hub-contoller'\n(Did you mean hub-controller?)\n${helpful}`;
    expect(await run(["hub-contoller"])).toEqual({ code: 2, stdout: "", stderr });
  });

  test("a flag that is missing, and a file", async () => {
    const missing = `error: required option '-f, --filename <file>' not specified\n${helpful}`;
    expect(await run(["preview"])).toEqual({ code: 2, stdout: "", stderr: missing });
    expect(await run(["preview", "-f", "/no/such"])).toMatchObject({
      code: 2,
      stderr: "/no/such: no such file\n",
    });
  });
});

describe("a kubeconfig that cannot be used is exit code 2:", () => {
  const told = (why: string) =>
    `the kubeconfig cannot be used: ${why}. Set --kubeconfig or KUBECONFIG to one that can be used.\n`;

  test.each(["hub-controller", "dubbo-controller", "preview", "preview --diff"])(
    "%s, and --kubeconfig does not exist",
    async (command) => {
      const stderr = told("there is no file /no/such");
      expect(await run([...argsOf(command), "--kubeconfig=/no/such"])).toEqual({
        code: 2,
        stdout: "",
        stderr,
      });
    },
  );

  test.each([
    "hub-controller",
    "dubbo-controller",
    "preview --diff",
    "status",
    "explain",
    "events",
    "doctor",
    "doctor --pod",
    "hold release",
    "uninstall",
  ])("%s, and there is none anywhere", async (command) => {
    const nowhere = (places: string) =>
      told(`there is none at ${places}, and this is no pod with a service account's token`);
    const args = argsOf(command);
    expect(await run(args)).toEqual({ code: 2, stdout: "", stderr: nowhere(`${home}/.kube/config`) });
    const KUBECONFIG = "/no/such:/nor/this";
    const stderr = nowhere("/no/such, /nor/this");
    expect(await run(args, { KUBECONFIG })).toEqual({ code: 2, stdout: "", stderr });
  });

  test.each([
    ["is not YAML", "users: [a\nb: {token: canary", /: \S*kubeconfig: deficient indentation \(2:1\)\. /],
    ["is something else", "canary", /: it has no cluster for the context ""\. /],
    ["has no such context", `{"current-context": "a"}`, /: it has no cluster for the context "a"\. /],
    [
      "has an address that is none",
      `{"clusters": [{"name": "a", "cluster": {"server": "no-url"}}], "contexts": [{"name": "a", "context": {"cluster": "a"}}], "current-context": "a"}`,
      /: the address of its cluster, "no-url", is no URL\. /,
    ],
  ])("one that %s", async (_, content, stderr) => {
    const file = join(home, "kubeconfig");
    writeFileSync(file, content);
    const ended = await run(["hub-controller", `--kubeconfig=${file}`]);
    expect(ended).toEqual({ code: 2, stdout: "", stderr: expect.stringMatching(stderr) });
    expect(ended.stderr).not.toContain("canary");
  });
});

describe("a preview that cannot read says what to check, and not what the operator would do:", () => {
  const unread = /^RegistryUnreachable: .*connection refused\. Check spec\.address\.\n$/;

  test.each([
    ["zookeeper", dead, unread],
    [
      "nacos",
      dead,
      /, port 1001: connection refused\. Check spec\.address and that this port is reachable\.\n$/,
    ],
    ["nacos", `http://${dead}`, /^InvalidSpec: .* is not host:port\. Write spec\.address as host:port/],
    ["eureka", `http://${dead}`, unread],
    ["consul", `http://${dead}`, unread],
  ])("%s at %s", async (type, address, stderr) => {
    const KUBECONFIG = "/no/such"; // not needed without --diff
    const ended = await run(previewOf(type, address), { KUBECONFIG });
    expect(ended).toEqual({ code: 1, stdout: "", stderr: expect.stringMatching(stderr) });
  });

  test.each(["eureka", "consul"])("%s that is not ready", async (type) => {
    const server = createServer((_, response) => response.writeHead(503).end()).listen(0, "127.0.0.1");
    await once(server, "listening");
    const ended = await run(previewOf(type, `http://127.0.0.1:${(server.address() as AddressInfo).port}`));
    server.closeAllConnections();
    server.close();
    expect(ended).toMatchObject({ code: 1, stderr: expect.stringMatching(/: HTTP 503.*\. Check that the /) });
    expect(ended.stderr).not.toContain("operator");
  });
});

test("help and version are no error", async () => {
  expect(await run(["version"])).toMatchObject({ code: 0, stderr: "" });
  expect(await run(["hub-controller", "--help"])).toMatchObject({ code: 0, stderr: "" });
});

test("the process ends with the code", () => {
  const options = { env: { HOME: home }, encoding: "utf8" } as const;
  const { status, stderr } = spawnSync(
    process.execPath,
    [main, "hub-controller", "--kubeconfig=no"],
    options,
  );
  expect([status, stderr]).toEqual([2, expect.stringContaining("there is no file no. ")]);
});
