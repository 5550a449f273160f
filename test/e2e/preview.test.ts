import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import type { KubeObject } from "../../src/model/kubernetes.ts";
import { startConsul } from "../bed/consul.ts";
import { run } from "../bed/run.ts";
import { temporaryFolder } from "../bed/watchdog.ts";
import { consulRegistrant, readAll } from "../support/consul-registrant.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/free-port.ts";
import { conditionOf, newTenant, providerUrl, SOON_MS, STATUS_MS, untilReady, useWorld } from "./world.ts";

const program = fileURLToPath(new URL("../../bin/registryhub", import.meta.url));

const world = useWorld();

describe("registryhub preview", () => {
  test("prints what the controllers then write, and the API server takes it", async () => {
    const tenant = await newTenant(world);
    await tenant.provide(
      providerUrl("org.example.Shop", "10.42.7.1:20880"),
      providerUrl("org.example.Shop", "10.42.7.2:20880"),
      providerUrl("org.example.Cart", "10.42.7.1:20881"),
      providerUrl("org.example.Lost", "127.0.0.1:20880"),
    );
    const manifest = tenant.manifest();
    const yaml = await run(program, ["preview", "-f", "-"], { input: manifest });
    const checked = await world.api.kubectl(["apply", "--dry-run=server", "-f", "-"], { input: yaml });
    expect(checked.split("\n").filter((line) => line.includes("created"))).toHaveLength(6);

    const json = await run(program, ["preview", "-f", "-", "-o", "json"], { input: manifest });
    const { items } = JSON.parse(json) as { readonly items: readonly KubeObject[] };
    await tenant.applyHub();
    await untilReady(tenant);
    await eventually(async () => {
      const filters = await world.cluster.envoyFilters("servicemesh");
      const written = [...(await tenant.entries()), ...filters].map(essence);
      expect(written).toEqual(expect.arrayContaining(items.map(essence)));
      expect(written).toHaveLength(items.length);
    }, SOON_MS);
  });

  test("reads with the Secret of the file, and says why it cannot without", async () => {
    await using consul = await startConsul({ acl: true });
    const registrant = consulRegistrant(consul);
    await registrant.register([{ service: "order", address: "10.42.7.3", port: 9000 }]);
    const { secret: token } = await registrant.createToken(readAll);
    const hub = {
      apiVersion: "ecns.easystack.cn/v1alpha1",
      kind: "RegistryHub",
      metadata: { name: "consul", namespace: "springconsul" },
      spec: { type: "consul", address: consul.url, generate_to: "springconsul" },
    };
    const secret = { apiVersion: "v1", kind: "Secret", metadata: { name: "login" }, stringData: { token } };
    const named = { ...hub, spec: { ...hub.spec, secretRef: { name: "login" } } };
    const input = [named, secret].map((one) => JSON.stringify(one)).join("\n---\n");
    expect(await run(program, ["preview", "-f", "-"], { input })).toContain("- order.springconsul");

    const blind = run(program, ["preview", "-f", "-"], { input: JSON.stringify(hub) });
    await expect(blind).rejects.toThrow(/exit code 1.*RegistryUnauthorized: .*without a token/s);
  });

  test("ends with a clear sentence when nobody answers, and when the file is none", async () => {
    const tenant = await newTenant(world);
    const nowhere = tenant.manifest({ address: `127.0.0.1:${await freePort()}` });
    const unread = run(program, ["preview", "-f", "-"], { input: nowhere });
    await expect(unread).rejects.toThrow(/exit code 1.*RegistryUnreachable: .*connection refused/s);
    const missing = run(program, ["preview", "-f", "/nowhere/hub.yaml"]);
    await expect(missing).rejects.toThrow(/exit code 2.*\/nowhere\/hub.yaml: no such file/s);
  });
});

describe("registryhub preview --diff", () => {
  const providers = ["10.42.7.1:20880", "10.42.7.2:20880"].map((at) => providerUrl("org.example.Shop", at));

  test("tells what the controllers would do, and nothing once they have", async () => {
    const tenant = await newTenant(world);
    await tenant.provide(...providers);
    const before = await diff(tenant.manifest());
    expect(before).toMatchObject({ code: 1 });
    expect(before.stdout).not.toMatch(/^-[^-]/m);
    expect(before.stderr).toContain(
      "ServiceEntries: 1 to create, 0 to change, 0 to delete; endpoints: 2 to add",
    );

    await tenant.applyHub();
    await untilReady(tenant);
    await eventually(async () => {
      const { code, stdout } = await diff(tenant.manifest());
      expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
    }, SOON_MS);

    await tenant.applyHub({ suspend: true });
    const isSuspended = async () => expect(conditionOf(await tenant.hub(), "Ready").reason).toBe("Suspended");
    await eventually(isSuspended, SOON_MS);
    await tenant.provide(providerUrl("org.example.Shop", "10.42.7.3:20880"));
    const one = await diff(tenant.manifest());
    expect(one.code).toBe(1);
    expect(linesOf(one.stdout)).toEqual([
      expect.stringMatching(/^--- cluster\/ServiceEntry\/t\d+\/aeraki-org-example-shop-1-0-0-t\d+\t/),
      expect.stringMatching(/^\+\+\+ hub\/ServiceEntry\/t\d+\/aeraki-org-example-shop-1-0-0-t\d+\t/),
      "+    - address: 10.42.7.3",
      "+      labels:",
      expect.stringMatching(/^\+ {8}ecns.easystack.cn\/by: [0-9a-f]{8}$/),
      "+        interface: org.example.Shop",
      "+        registryName: hub",
      "+        side: provider",
      "+        version: 1.0.0",
      "+      ports:",
      "+        tcp-metaprotocol-dubbo: 20880",
    ]);
    const otherProgram = await diff(tenant.manifest(), { KUBECTL_EXTERNAL_DIFF: "diff -r -q" });
    expect(otherProgram.stdout).toMatch(/^Files cluster\/.* and hub\/.* differ$/m);

    await tenant.applyHub({ suspend: false });
    await tenant.applyHub({}, "younger");
    await eventually(async () => {
      const both = [await diff(tenant.manifest()), await diff(tenant.manifest({}, "younger"))];
      expect(both.map(({ code, stdout }) => ({ code, stdout }))).toEqual([
        { code: 0, stdout: "" },
        { code: 0, stdout: "" },
      ]);
    }, STATUS_MS);
  });

  test("needs no right to write or to read Secrets, and says which one is missing", async () => {
    const tenant = await newTenant(world);
    await tenant.provide(...providers);
    const manifest = tenant.manifest();
    const KUBECONFIG = await world.api.kubeconfigFor(world.api.aliceToken);
    const refused = await diff(manifest, { KUBECONFIG });
    expect(refused.code).toBe(3);
    expect(refused.stderr).toMatch(/the cluster cannot be read: .* cannot list .* Ask for the right to list/);

    const types = [
      "registryhubs.ecns.easystack.cn",
      "serviceentries.networking.istio.io",
      "envoyfilters.networking.istio.io",
    ];
    const rights = ["--verb=list", `--resource=${types.join()}`];
    await world.api.kubectl(["create", "clusterrole", "preview", ...rights]);
    const binding = ["--clusterrole=preview", "--user=alice"];
    await world.api.kubectl(["create", "clusterrolebinding", "preview", ...binding]);
    await eventually(
      async () => expect(await diff(manifest, { KUBECONFIG })).toMatchObject({ code: 1 }),
      SOON_MS,
    );
    expect(await tenant.entries()).toEqual([]);
  });

  test("ends with a clear sentence when the cluster or the registry does not answer, or a flag is wrong", async () => {
    const tenant = await newTenant(world);
    const kubeconfig = await readFile(world.api.kubeconfig, "utf8");
    await using folder = temporaryFolder("preview");
    const KUBECONFIG = join(folder.path, "kubeconfig");
    await writeFile(KUBECONFIG, kubeconfig.replace(world.api.url, `https://127.0.0.1:${await freePort()}`));
    const unreachable = await diff(tenant.manifest(), { KUBECONFIG });
    expect(unreachable).toMatchObject({ code: 3, stdout: "" });
    expect(unreachable.stderr).toMatch(
      /^the cluster cannot be read: no answer from https:\S+ .*ECONNREFUSED.*\. Check that the kubeconfig's API server runs/,
    );

    const nowhere = await diff(tenant.manifest({ address: `127.0.0.1:${await freePort()}` }));
    expect(nowhere.code).toBe(3);
    expect(nowhere.stderr).toMatch(/^RegistryUnreachable: .*connection refused/);

    const noProgram = await diff(tenant.manifest(), { KUBECTL_EXTERNAL_DIFF: "no-such-program" });
    expect(noProgram.code).toBe(0); // there is nothing to compare
    expect((await diff(tenant.manifest(), {}, "--root-namespac=x")).code).toBe(2);
    expect((await diff(tenant.manifest(), {}, "--empty-grace=soon")).code).toBe(2);
    expect((await diff(tenant.manifest(), {}, "-o", "json")).code).toBe(2);
  });
});

/** Runs `preview --diff` of a manifest, as the administrator unless told otherwise. */
async function diff(
  manifest: string,
  env: Readonly<Record<string, string>> = {},
  ...flags: readonly string[]
) {
  const child = spawn(program, ["preview", "-f", "-", "--diff", ...flags], {
    env: { ...process.env, KUBECONFIG: world.api.kubeconfig, ...env },
  });
  child.stdin.end(manifest);
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { code: child.exitCode, stdout, stderr };
}

/** The lines of a diff that say what differs. */
const linesOf = (stdout: string): readonly string[] =>
  stdout.split("\n").filter((line) => /^[-+]/.test(line));

/** What was asked for of an object, without what the API server adds. */
function essence({ metadata, ...rest }: KubeObject): object {
  const { name, namespace, labels, annotations } = metadata;
  return { ...rest, metadata: { name, namespace, labels, annotations } };
}
