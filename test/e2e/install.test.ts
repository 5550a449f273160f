import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { pagePort as pagePortOfManifests } from "../../src/cli/events/leader.ts";
import { version } from "../../src/cli/version.ts";
import { readConfig } from "../../src/config.ts";
import type { Controller } from "../../src/config-options.ts";
import { type ApiServer, startApiServer } from "../bed/api-server.ts";
import { run } from "../bed/run.ts";
import {
  applyInstall,
  type Deployment,
  findObject,
  installNamespace,
  type Overlay,
  renderInstall,
  rolesIn,
  type Workload,
} from "../support/install.ts";

const workloads: readonly { readonly workload: Workload; readonly command: Controller }[] = [
  { workload: "registryhub", command: "hub-controller" },
  { workload: "dubbo-controller", command: "dubbo-controller" },
];

describe("the manifests", () => {
  let api: ApiServer;
  beforeAll(async () => {
    api = await startApiServer();
    await api.applyCrds();
    await applyInstall(api);
    return () => api[Symbol.asyncDispose]();
  });

  test("make what they say, and again without a change", async () => {
    const objects = ["deployment", "pdb", "serviceaccount"].map((kind) =>
      ["registryhub", "dubbo-controller"].map((name) => `${kind}/${name}`),
    );
    await api.kubectl(["get", "-n", installNamespace, ...objects.flat()]);
    const again = await api.kubectl(["apply", "-k", "config/default"]);
    // kubectl always sends the selector of a PodDisruptionBudget anew: its patch strategy is to replace it.
    const changed = again
      .split("\n")
      .filter((line) => /^(?!poddisruptionbudget)\S+ (?!unchanged)/.test(line));
    expect(changed).toEqual([]);
  });

  test.each<Overlay>(["multi-tenant", "istio-system"])("the overlay %s is accepted", async (overlay) => {
    if (overlay === "istio-system") await api.kubectl(["create", "namespace", overlay]);
    await api.kubectl(["apply", "-k", `config/${overlay}`, "--dry-run=server"]);
  });

  test.each(workloads)("a pod of $workload passes Pod Security's level restricted", async ({ workload }) => {
    const { template } = findObject<Deployment>(await renderInstall("default"), "Deployment", workload).spec;
    const namespace = `restricted-${workload}`;
    await api.kubectl(["create", "namespace", namespace]);
    await api.kubectl(["label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted"]);
    await api.kubectl(["create", "serviceaccount", template.spec.serviceAccountName, "-n", namespace]);
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      ...template,
      metadata: { ...template.metadata, name: "p", namespace },
    };
    const input = JSON.stringify(pod);
    await api.kubectl(["create", "--dry-run=server", "-f", "-"], { input });
    const asRoot = input.replace('"runAsNonRoot":true', '"runAsNonRoot":false');
    await expect(api.kubectl(["create", "--dry-run=server", "-f", "-"], { input: asRoot })).rejects.toThrow(
      "violates PodSecurity",
    );
  });

  test.each(workloads)(
    "$workload runs this version with settings that exist",
    async ({ workload, command }) => {
      const { spec } = findObject<Deployment>(await renderInstall("default"), "Deployment", workload);
      const [{ image, args, env }] = spec.template.spec.containers;
      expect(image).toBe(`registryhub:${version}`);
      expect(args[0]).toBe(command);
      const flags = Object.fromEntries(args.slice(1).map((arg) => arg.slice(2).split("=")));
      const config = readConfig(
        {
          leaderElect: "leader-elect" in flags,
          httpBindAddress: flags["http-bind-address"],
          pagePort: flags["page-port"],
        },
        Object.fromEntries(env.map(({ name }) => [name, "servicemesh"])),
      );
      const page = command === "hub-controller" ? ["page-port"] : [];
      expect(Object.keys(flags).toSorted()).toEqual(["http-bind-address", "leader-elect", ...page]);
      const pagePort = page.length === 1 ? pagePortOfManifests : 0;
      expect(config).toMatchObject({ leaderElect: true, httpBindAddress: { port: 8080 }, pagePort });
      expect(spec.replicas).toBe(2);
    },
  );

  test("grant no wildcard, and no list of Secrets", async () => {
    const objects = await renderInstall("default");
    const rules = rolesIn(objects).flatMap((role) => role.rules);
    expect(rules.filter(({ resources, verbs }) => [...resources, ...verbs].includes("*"))).toEqual([]);
    const ofSecrets = rules.filter(({ resources }) => resources.includes("secrets"));
    expect(ofSecrets.map(({ verbs }) => verbs)).toEqual([["get"]]);
  });
});

describe("the whole story, installed by kubectl apply -k config/default and told by its ServiceAccounts", () => {
  const demo = fileURLToPath(new URL("../../scripts/demo.ts", import.meta.url));
  test.each(["zookeeper", "eureka"])("of a hub of type %s", async (TYPE) => {
    const told = await run(process.execPath, [demo], { env: { TYPE, ONCE: "1" } });
    expect(told).toMatch(/The demo observed all \d+ steps/);
  });
});
