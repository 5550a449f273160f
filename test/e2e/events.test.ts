import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/free-port.ts";
import { command, program } from "./command.ts";
import {
  newTenant,
  providerUrl,
  quickly,
  SOON_MS,
  STATUS_MS,
  type Tenant,
  untilReady,
  useWorld,
} from "./world.ts";

const port = await freePort();
/** Nobody listens there. */
const dead = await freePort();

const world = useWorld({ hub: [...quickly, "--leader-elect", `--page-port=${port}`] });

/** What `events` prints of the hub of a tenant. */
const events = ({ namespace }: Tenant, at: number, ...more: readonly string[]) =>
  command(world, ["events", "-n", namespace, "hub", `--page-port=${at}`, ...more]);

/** `events -w`, from its start to the test's end. */
function follow({ namespace }: Tenant, at: number) {
  const args = ["events", "-w", "-n", namespace, "hub", `--page-port=${at}`];
  const child: ChildProcess = spawn(program, args, {
    env: { ...process.env, KUBECONFIG: world.api.kubeconfig },
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const said = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const)
    child[stream]?.setEncoding("utf8").on("data", (chunk: string) => {
      said[stream] += chunk;
    });
  return { child, said };
}

const urlOf = (name: string, at: number): string => providerUrl(`org.example.${name}`, `10.42.9.${at}:20880`);

/** A hub that is Ready, with a service of two instances of which one is gone, and the node of the other one. */
async function incident() {
  const tenant = await newTenant(world);
  const [gone = "", left = ""] = await tenant.provide(urlOf("Shop", 1), urlOf("Shop", 2));
  await tenant.applyHub();
  await untilReady(tenant);
  await eventually(async () => {
    const [entry] = await tenant.entries();
    expect(entry?.spec.endpoints).toHaveLength(2);
  }, SOON_MS);
  await world.writer.delete(gone);
  await eventually(async () => {
    const [entry] = await tenant.entries();
    expect(entry?.spec.endpoints).toHaveLength(1);
  }, STATUS_MS);
  return { tenant, left, host: `org.example.shop-1.0.0.${tenant.namespace}` };
}

describe("events of the leader", () => {
  test("tell who removed an endpoint, when and why", async () => {
    const { tenant, host } = await incident();
    const { code, stdout, stderr } = await events(tenant, port);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^TIME +HUB +HOST +WHAT +WHY$/m);
    expect(stdout).toMatch(/ Created +the registry lists it, with \d endpoints?: 10\.42\.9\.1:20880/);
    expect(stdout).toMatch(/ EndpointRemoved +10\.42\.9\.1:20880: not listed since \d{4}-/);
    const report = JSON.parse((await events(tenant, port, "-o", "json")).stdout);
    expect(report).toMatchObject({ source: "changes", identity: expect.stringMatching(/_/) });
    expect(report.items).toContainEqual(
      expect.objectContaining({
        hub: `${tenant.namespace}/hub`,
        registry: "zookeeper",
        host: `${tenant.namespace}/${host}`,
        endpoint: "10.42.9.1:20880",
        what: "EndpointRemoved",
      }),
    );
    expect((await events(tenant, port, "-o", "yaml")).stdout).toContain("what: EndpointRemoved\n");
  });

  test("go on with -w over a change of the leader, until they are interrupted", async () => {
    const { tenant, left } = await incident();
    const { child, said } = follow(tenant, port);
    await eventually(() => expect(said.stdout).toContain("EndpointRemoved"), SOON_MS);
    await world.writer.delete(left);
    await eventually(() => expect(said.stdout).toContain("Emptied"), STATUS_MS);
    await world.controllers.hub.terminate();
    await eventually(() => expect(said.stderr).toMatch(/^no operator answers .*; waiting for one/m), SOON_MS);
    await world.controllers.hub.restart();
    await eventually(() => expect(said.stderr).toMatch(/^another operator leads now: /m), STATUS_MS);
    await tenant.provide(urlOf("Later", 3));
    await eventually(() => expect(said.stdout).toMatch(/org\.example\.later.* Created /), STATUS_MS);
    child.kill("SIGINT");
    await once(child, "close");
    expect([child.exitCode, child.signalCode]).toEqual([0, null]);
  });
});

describe("events of the cluster", () => {
  test("are told where no operator answers, and how to reach the leader", async () => {
    const { tenant } = await incident();
    const { code, stdout, stderr } = await events(tenant, dead);
    expect(code).toBe(0);
    expect(stderr).toMatch(
      new RegExp(
        `^no operator answers at 127\\.0\\.0\\.1:${dead}\\. These are the cluster's Events, which tell less; .*: kubectl -n servicemesh port-forward pod/\\S+ ${dead}:8081$`,
        "m",
      ),
    );
    expect(stdout).toMatch(/ Synced +The operator has read/);
    expect(JSON.parse((await events(tenant, dead, "-o", "json")).stdout)).toMatchObject({ source: "events" });
  });

  test("are told instead of those of another cluster, to which a port-forward is left over", async () => {
    const { tenant } = await incident();
    const answer = {
      identity: "registryhub-of-another-cluster_1",
      lease: "servicemesh/registryhub",
      since: "2024-02-04T03:00:00Z",
      forgotten: 0,
      last: 1,
      changes: [{ seq: 1, hub: `${tenant.namespace}/hub`, host: "", what: "Lie", why: "of another cluster" }],
    };
    const other = createServer((_, response) => response.end(JSON.stringify(answer)));
    onTestFinished(() => void other.close());
    await once(other.listen(0, "127.0.0.1"), "listening");
    const { code, stdout, stderr } = await events(tenant, (other.address() as AddressInfo).port);
    expect(code).toBe(0);
    expect(stdout).not.toContain("Lie");
    expect(stdout).toContain(" Synced ");
    expect(stderr).toMatch(
      /^registryhub-of-another-cluster_1 answers there and does not lead this cluster: .* does\./,
    );
  });

  test("of a hub that there never was are a wrong name", async () => {
    const { tenant } = await incident();
    const args = ["events", "-n", tenant.namespace, "nobody", `--page-port=${port}`];
    const { code, stderr } = await command(world, args);
    expect(code).toBe(2);
    expect(stderr).toContain(`there is no RegistryHub nobody in namespace ${tenant.namespace}`);
  });
});
