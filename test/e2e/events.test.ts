import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/free-port.ts";
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

const program = fileURLToPath(new URL("../../bin/kubectl-registryhub", import.meta.url));
/** Nobody listens there. */
const dead = await freePort();

const world = useWorld({ hub: [...quickly, "--leader-elect"] });

const env = () => ({ ...process.env, KUBECONFIG: world.api.kubeconfig });

/** What `events` prints of the hub of a tenant. */
async function events({ namespace }: Tenant, at: number, ...more: readonly string[]) {
  const args = ["events", "-n", namespace, "hub", `--page-port=${at}`, ...more];
  const child = spawn(program, args, { env: env(), stdio: ["ignore", "pipe", "pipe"] });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { code: child.exitCode, stdout, stderr };
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
    const child = spawn(program, ["events", "-n", tenant.namespace, "nobody"], {
      env: env(),
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [stderr] = await Promise.all([text(child.stderr), once(child, "close")]);
    expect(child.exitCode).toBe(2);
    expect(stderr).toContain(`there is no RegistryHub nobody in namespace ${tenant.namespace}`);
  });
});
