import { describe, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/free-port.ts";
import { command as commandIn, explainRegistry } from "./command.ts";
import {
  conditionOf,
  newTenant,
  providerUrl,
  quickly,
  SOON_MS,
  STATUS_MS,
  type Tenant,
  untilFailed,
  untilReady,
  useWorld,
} from "./world.ts";

/** A brake that outlasts a test. */
const world = useWorld({
  hub: [...quickly.filter((flag) => !flag.startsWith("--shrink-hold")), "--shrink-hold=10m"],
});

const command = (args: readonly string[], env?: Readonly<Record<string, string>>) =>
  commandIn(world, args, env);
const explain = ({ namespace }: Tenant, what: string) => command(["explain", "-n", namespace, what]);
const status = ({ namespace }: Tenant) => command(["status", "-n", namespace, "hub"]);
const providers = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, at) => providerUrl(`org.example.S${at}`, `10.42.8.${at + 1}:20880`));

describe("a hub that is Ready", () => {
  test("is fine, and its host is explained to the end", async () => {
    const tenant = await newTenant(world);
    await tenant.provide(providerUrl("org.example.Shop", "10.42.7.1:20880"));
    await tenant.applyHub();
    await untilReady(tenant);
    const host = `org.example.shop-1.0.0.${tenant.namespace}`;
    await eventually(async () => {
      const { code, stdout } = await explain(tenant, host);
      expect(stdout).toMatch(
        / is served: 240\.241\.\d+\.\d+:20880 leads to 1 endpoint by dubbo, balanced by call\.$/m,
      );
      expect(code).toBe(0);
    }, SOON_MS);
    expect(await explainRegistry(world, tenant.namespace, host)).toMatchObject({
      code: 0,
      answer: expect.stringMatching(/; the registry of t\d+\/hub, read now, agrees\.$/),
    });
    expect(await status(tenant)).toMatchObject({ code: 0, stderr: "" });
    const { stdout } = await command(["explain", "-n", tenant.namespace, "10.42.7.1:20880", "-o", "json"]);
    expect(JSON.parse(stdout)).toMatchObject({ endpoints: [{ host: `${tenant.namespace}/${host}` }] });
    const yaml = await command(["status", "-A", "-o", "yaml"]);
    expect(yaml.stdout).toContain(`namespace: ${tenant.namespace}\n`);
    const table = await command(["status", "-n", tenant.namespace]);
    expect(table.stdout).toMatch(/^NAME +TYPE +TARGET +PHASE +REASON/);
  });
});

describe("the first three lines name cause and fix of", () => {
  test("an address that is wrong", async () => {
    const tenant = await newTenant(world);
    await tenant.applyHub({ address: `127.0.0.1:${await freePort()}` });
    await untilFailed(tenant, "RegistryUnreachable", /refused/);
    for (const { code, head } of [await status(tenant), await explain(tenant, "org.example.Unread")]) {
      expect(code).toBe(1);
      expect(head[1]).toMatch(/^cause: .*connection refused/);
      expect(head[2]).toMatch(/^fix: {3}Check spec\.address; the operator retries by itself\.$/);
    }
  });

  test("a namespace that does not exist", async () => {
    const tenant = await newTenant(world);
    await tenant.provide(providerUrl("org.example.Shop", "10.42.7.1:20880"));
    await tenant.applyHub({ generate_to: "nowhere" });
    await untilFailed(tenant, "NamespaceMissing", /nowhere/);
    const { head } = await status(tenant);
    expect(head[0]).toMatch(/ is not Ready: NamespaceMissing, for /);
    expect(head[1]).toMatch(/^cause: .*nowhere/);
    expect(head[2]).toMatch(/^fix: {3}./);
  });

  test("a ServiceEntry of somebody else", async () => {
    const tenant = await newTenant(world);
    const host = `org.example.shop-1.0.0.${tenant.namespace}`;
    const foreign = {
      apiVersion: "networking.istio.io/v1beta1",
      kind: "ServiceEntry",
      metadata: { namespace: tenant.namespace, name: "theirs" },
      spec: { hosts: [host], resolution: "DNS", ports: [{ name: "tcp", number: 20_880, protocol: "TCP" }] },
    };
    await world.api.kubectl(["apply", "-f", "-"], { input: JSON.stringify(foreign) });
    await tenant.provide(providerUrl("org.example.Shop", "10.42.7.1:20880"));
    await tenant.applyHub();
    await untilReady(tenant);
    await eventually(async () => {
      const { code, head } = await explain(tenant, host);
      expect(head[1]).toContain(`ServiceEntry ${tenant.namespace}/theirs had the host first`);
      expect(head[2]).toMatch(
        /^fix: {3}Delete that ServiceEntry, or have it use another host: kubectl edit /,
      );
      expect(code).toBe(1);
    }, STATUS_MS);
  });

  test("a port that is not allowed", async () => {
    const tenant = await newTenant(world);
    await tenant.provide(providerUrl("org.example.Shop", "10.42.7.1:3306"));
    await tenant.applyHub();
    await untilReady(tenant);
    const { code, head } = await explain(tenant, `org.example.shop-1.0.0.${tenant.namespace}`);
    expect(code).toBe(1);
    expect(head[1]).toMatch(/^cause: port 3306 is not one of --dubbo-ports/);
    expect(head[2]).toMatch(/^fix: {3}Use another port/);
  });

  test("removals that the brake holds, until somebody releases them", async () => {
    const tenant = await newTenant(world);
    const paths = await tenant.provide(...providers(10));
    await tenant.applyHub();
    await untilReady(tenant);
    await eventually(
      async () => expect(conditionOf(await tenant.hub(), "DeletionHeld").reason).toBe("NothingHeld"),
      STATUS_MS,
    );
    await settled(tenant);
    await Promise.all(paths.slice(0, 5).map((path) => world.writer.delete(path)));
    await eventually(
      async () => expect(conditionOf(await tenant.hub(), "DeletionHeld").reason).toBe("Shrunk"),
      STATUS_MS,
    );
    for (const { code, head } of [
      await status(tenant),
      await explain(tenant, `org.example.s0-1.0.0.${tenant.namespace}`),
    ]) {
      expect(code).toBe(1);
      expect(head[2]).toMatch(
        /^fix: .*kubectl annotate --overwrite registryhub -n t\d+ hub ecns\.easystack\.cn\/release-hold=/,
      );
    }
    const { stdout } = await explainRegistry(
      world,
      tenant.namespace,
      `org.example.s0-1.0.0.${tenant.namespace}`,
    );
    expect(stdout).toMatch(/^ +10\.42\.8\.1:20880 +t\d+\/hub +not listed, kept: hold until \S+Z \(Shrunk\)/m);
    const listed = await explainRegistry(world, tenant.namespace, `org.example.s9-1.0.0.${tenant.namespace}`);
    expect(listed).toMatchObject({ code: 0 });
    const release = () => command(["hold", "release", `${tenant.namespace}/hub`]);
    expect(await release()).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^released 5 services with 5 endpoints of RegistryHub t/),
    });
    await eventually(async () => expect(await status(tenant)).toMatchObject({ code: 0 }), STATUS_MS);
    expect(await release()).toMatchObject({ code: 1, stdout: expect.stringMatching(/^nothing is held/) });
  });
});

describe("a person", () => {
  test("with the rights of a viewer of a namespace sees it, and no more", async () => {
    const tenant = await newTenant(world);
    await tenant.applyHub();
    await untilReady(tenant);
    const KUBECONFIG = await world.api.kubeconfigFor(world.api.aliceToken);
    const args = ["status", "-n", tenant.namespace, "hub"];
    const refused = await command(args, { KUBECONFIG });
    expect(refused).toMatchObject({ code: 3, stdout: "" });
    expect(refused.stderr).toMatch(
      /^the cluster cannot be read: .*cannot get resource "registryhubs".* Ask for that right/,
    );
    const binding = [
      "rolebinding",
      "viewer",
      "-n",
      tenant.namespace,
      "--clusterrole=registryhub-viewer",
      "--user=alice",
    ];
    await world.api.kubectl(["create", ...binding]);
    await eventually(
      async () => expect(await command(args, { KUBECONFIG })).toMatchObject({ code: 0 }),
      SOON_MS,
    );
    const blind = await command(["explain", "-n", tenant.namespace, "org.example.Shop"], { KUBECONFIG });
    expect(blind).toMatchObject({ code: 3, stdout: "" });
    expect(blind.stderr).toContain("serviceentries.networking.istio.io: you may not list them");
  });

  test("who names what there is not is told how it is named", async () => {
    expect(await command(["status", "-n", "default", "zk"])).toMatchObject({
      code: 2,
      stderr: "there is no RegistryHub zk in namespace default; registryhub status -A lists all\n",
    });
    expect(await command(["status", "-o", "xml"])).toMatchObject({ code: 2 });
    expect(await command(["status", "--context", "other"])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('it has no cluster for the context "other"'),
    });
  });
});

/** The end of settling has passed: the hub says so only while it holds something. */
async function settled(tenant: Tenant): Promise<void> {
  const [path = ""] = await tenant.provide(providerUrl("org.example.Gone", "10.42.8.200:20880"));
  const hasEndpoint = async (count: number) => {
    const entries = await tenant.entries();
    const entry = entries.find(({ metadata }) => metadata.name.includes("org-example-gone"));
    expect(entry?.spec.endpoints ?? []).toHaveLength(count);
  };
  await eventually(() => hasEndpoint(1), SOON_MS);
  await world.writer.delete(path);
  await eventually(() => hasEndpoint(0), STATUS_MS);
}

describe("uninstall", () => {
  test("shows what it deletes, deletes it while the operator runs, and nothing comes back", async () => {
    const tenant = await newTenant(world);
    await tenant.provide(...providers(3));
    await tenant.applyHub();
    await untilReady(tenant);
    const foreign = {
      ...JSON.parse(tenant.manifest()),
      kind: "ConfigMap",
      apiVersion: "v1",
      spec: undefined,
    };
    await world.api.kubectl(["apply", "-f", "-"], { input: JSON.stringify(foreign) });

    const asked = await command(["uninstall"]);
    expect(asked).toMatchObject({ code: 2, stdout: "" });
    const shown = await command(["uninstall", "--dry-run"]);
    expect(shown.code).toBe(1);
    expect(shown.stdout).toMatch(/^\d+ hosts with \d+ endpoints stop being reachable in the mesh\.$/m);
    expect((await tenant.entries()).length).toBe(3);

    const KUBECONFIG = await world.api.kubeconfigFor(world.api.aliceToken);
    expect(await command(["uninstall", "--yes"], { KUBECONFIG })).toMatchObject({ code: 3 });
    expect((await tenant.entries()).length).toBe(3);

    expect(await command(["uninstall", "--yes"])).toMatchObject({ code: 0 });
    const nothing = async () => {
      expect(await command(["uninstall", "--dry-run"])).toMatchObject({ code: 0 });
      const all = "registryhubs,serviceentries,envoyfilters,destinationrules";
      const left = await world.api.kubectl(["get", all, "-A", "-o", "name"]);
      expect(left.trim().split("\n")).toEqual(["serviceentry.networking.istio.io/theirs"]);
    };
    await nothing();
    // A new hub shows that the operator has looked since: what was deleted is not there again.
    const later = await newTenant(world);
    await later.provide(providerUrl("org.example.Later", "10.42.9.1:20880"));
    await later.applyHub();
    await untilReady(later);
    expect(await tenant.entries()).toEqual([]);
    await world.api.kubectl(["get", "configmap", "-n", tenant.namespace, "hub"]);
  });
});
