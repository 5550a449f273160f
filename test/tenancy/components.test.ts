import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { settings } from "../../src/config.ts";
import { parseManifests } from "../../src/kube/manifests.ts";
import type { KubeObject } from "../../src/model/kubernetes.ts";
import { type ApiServer, startApiServer } from "../bed/api-server.ts";
import { kubeBinaries } from "../bed/kube-binaries.ts";
import { prometheusCrds } from "../bed/prometheus-crds.ts";
import { run } from "../bed/run.ts";
import { checkout, findObject, installNamespace, type Role, renderInstall } from "../support/install.ts";
import { type Component, components, folderOf } from "./kustomization.ts";

/** The part of a Deployment that a component may change. Source: k8s.io/api/apps/v1/types.go. */
interface Installed extends KubeObject {
  readonly spec: {
    readonly selector: { readonly matchLabels: Readonly<Record<string, string>> };
    readonly template: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> };
      readonly spec: {
        readonly priorityClassName?: string;
        readonly automountServiceAccountToken: boolean;
        readonly nodeSelector: object;
        readonly containers: readonly [
          {
            readonly image: string;
            readonly args: readonly string[];
            readonly ports: readonly { readonly name: string }[];
          },
        ];
        readonly topologySpreadConstraints: readonly { readonly labelSelector: object }[];
      };
    };
  };
}

/** What a PodMonitor scrapes. Source: prometheus-operator, pkg/apis/monitoring/v1/podmonitor_types.go. */
interface PodMonitor extends KubeObject {
  readonly spec: {
    readonly selector: { readonly matchLabels: Readonly<Record<string, string>> };
    readonly jobLabel: string;
    readonly podMetricsEndpoints: readonly { readonly port: string }[];
  };
}

/** None, each alone, each with each other one, and all: in alphabetical order. */
const choices: readonly (readonly Component[])[] = [
  [],
  ...components.map((one) => [one]),
  ...components.flatMap((one, at) => components.slice(at + 1).map((other) => [one, other])),
  components,
];

async function render(chosen: readonly Component[]): Promise<readonly KubeObject[]> {
  const { kubectl } = await kubeBinaries(["kubectl"]);
  return parseManifests(await run(kubectl, ["kustomize", await folderOf(chosen)])) as readonly KubeObject[];
}

const deploymentsIn = (objects: readonly KubeObject[]): readonly Installed[] =>
  objects.filter((one): one is Installed => one.kind === "Deployment");
const argsOf = ({ spec }: Installed): readonly string[] => spec.template.spec.containers[0].args;
const namesOf = (objects: readonly KubeObject[]): readonly string[] =>
  objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`);

test("are all that there are", () => {
  expect(readdirSync(join(checkout, "config/components"))).toEqual([...components]);
});

describe.each(choices.map((chosen) => ({ name: chosen.join(", ") || "none", chosen })))(
  "with $name",
  ({ chosen }) => {
    let objects: readonly KubeObject[];
    let deployments: readonly Installed[];
    beforeAll(async () => {
      objects = await render(chosen);
      deployments = deploymentsIn(objects);
    });
    const has = (name: Component): boolean => chosen.includes(name);

    test("every process has the settings of each component", () => {
      const both = ["--leader-elect", "--http-bind-address=:8080"];
      const hub = ["hub-controller", ...both, "--page-port=8081"];
      // Of two flags the last one counts.
      const own = has("multi-tenant")
        ? ["--allow-cross-namespace=false", "--deny-targets=com,net,org,io,cn", "--page-port=0"]
        : [];
      const lanes = has("lanes");
      const other = lanes ? ["--hub-selector=ecns.easystack.cn/lane!=critical"] : [];
      const critical = ["--hub-selector=ecns.easystack.cn/lane=critical", "--vip-cidr=240.242.0.0/16"];
      const root = has("istio-system") ? ["--root-namespace=istio-system"] : [];
      const expected: Record<string, readonly string[]> = {
        "dubbo-controller": ["dubbo-controller", ...both, ...root],
        registryhub: [...hub, ...own, ...other, ...root],
        ...(lanes && { "registryhub-critical": [...hub, ...own, ...critical, ...root] }),
      };
      const args = deployments.map((one) => [one.metadata.name, argsOf(one).toSorted()]);
      expect(Object.fromEntries(args)).toEqual(
        Object.fromEntries(Object.entries(expected).map(([name, all]) => [name, all.toSorted()])),
      );
    });

    test("every Deployment has pods of its own, a budget for them, and the same kind of pod", () => {
      for (const { metadata, spec } of deployments) {
        const name = { "app.kubernetes.io/name": metadata.name };
        expect(spec.selector.matchLabels).toEqual(name);
        expect(spec.template.metadata.labels).toMatchObject(name);
        expect(findObject<Installed>(objects, "PodDisruptionBudget", metadata.name).spec.selector).toEqual({
          matchLabels: name,
        });
        const { containers, topologySpreadConstraints, ...pod } = spec.template.spec;
        expect(topologySpreadConstraints.map(({ labelSelector }) => labelSelector)).toEqual([
          { matchLabels: name },
          { matchLabels: name },
        ]);
        expect(containers[0].image).toMatch(/^registryhub:/);
        expect(pod).toMatchObject({
          automountServiceAccountToken: true,
          nodeSelector: { "kubernetes.io/os": "linux" },
        });
        expect(pod.priorityClassName).toBe(has("priority") ? "registryhub" : undefined);
      }
    });

    test("there is what each component adds, and nothing else", async () => {
      const added: Readonly<Record<Component, readonly string[]>> = {
        "destination-rules": ["ClusterRole", "ClusterRoleBinding"].map(
          (kind) => `${kind} registryhub-destination-rules`,
        ),
        "istio-system": [],
        lanes: ["Deployment registryhub-critical", "PodDisruptionBudget registryhub-critical"],
        monitoring: [
          "PodMonitor registryhub",
          "PrometheusRule registryhub",
          "ConfigMap registryhub-dashboard",
        ],
        "multi-tenant": [
          "ClusterRole registryhub-lane-editor",
          ...["hubs", "addresses", "serviceentries"].flatMap((name) => [
            `ValidatingAdmissionPolicy registryhub-${name}`,
            `ValidatingAdmissionPolicyBinding registryhub-${name}`,
          ]),
        ],
        "network-policy": ["NetworkPolicy registryhub"],
        priority: ["PriorityClass registryhub"],
        "scoped-filters": ["ClusterRole", "ClusterRoleBinding"].map(
          (kind) => `${kind} dubbo-controller-scoped-filters`,
        ),
      };
      const plain = namesOf(await renderInstall("default"));
      const all = [...plain, ...chosen.flatMap((name) => added[name])];
      expect(namesOf(objects).toSorted()).toEqual(all.toSorted());
      const filters = findObject(objects, "Role", "dubbo-controller-envoyfilters");
      expect(filters.metadata.namespace).toBe(has("istio-system") ? "istio-system" : installNamespace);
      const { rules } = findObject<Role>(objects, "Role", "registryhub-leader");
      const selectors = deployments
        .flatMap(argsOf)
        .flatMap((arg) => arg.match(/(?<=^--hub-selector=).*/) ?? []);
      const leases = selectors.map((selector) => `registryhub-${sha256(selector).slice(0, 8)}`);
      expect(rules[1]?.resourceNames).toEqual(["registryhub", ...leases]);
      const editor = findObject(objects, "ClusterRole", "registryhub-editor").metadata.labels ?? {};
      expect(Object.keys(editor).some((label) => label.includes("aggregate-to"))).toBe(has("multi-tenant"));
    });

    test("their order does not matter", async () => {
      const sorted = (all: readonly KubeObject[]) =>
        all
          .map((one) => (one.kind === "Deployment" ? withSortedArgs(one as Installed) : one))
          .toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
      expect(sorted(await render(chosen.toReversed()))).toEqual(sorted(objects));
    });
  },
);

test("of all, Prometheus finds every Deployment, and tells them by their names", async () => {
  const objects = await render(components);
  const { spec } = findObject<PodMonitor>(objects, "PodMonitor", "registryhub");
  const deployments = deploymentsIn(objects);
  expect(deployments).toHaveLength(3);
  for (const { metadata, spec: deployment } of deployments) {
    const { labels } = deployment.template.metadata;
    expect(labels).toMatchObject(spec.selector.matchLabels);
    expect(labels[spec.jobLabel]).toBe(metadata.name);
    const ports = deployment.template.spec.containers[0].ports.map(({ name }) => name);
    expect(spec.podMetricsEndpoints.map(({ port }) => port)).toEqual(ports);
  }
});

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

const keyOf = ({ kind, metadata }: KubeObject): string => `${kind} ${metadata.namespace} ${metadata.name}`;

function withSortedArgs(deployment: Installed): KubeObject {
  const copy = structuredClone(deployment) as unknown as {
    spec: { template: { spec: { containers: object[] } } };
  };
  copy.spec.template.spec.containers = [{ args: argsOf(deployment).toSorted() }];
  return { ...deployment, spec: copy.spec } as KubeObject;
}

test("every setting is one of the program's", async () => {
  const flags = deploymentsIn(await render(components)).flatMap((one) => argsOf(one).slice(1));
  const known = settings().map(({ usage }) => usage.split(" ")[0]);
  expect(flags.map((flag) => flag.split("=")[0]).filter((flag) => !known.includes(flag))).toEqual([]);
});

test.each(["multi-tenant", "istio-system"] as const)(
  "the overlay config/%s is the default with the component of its name",
  async (name) => {
    expect(await renderInstall(name)).toEqual(await render([name]));
  },
);

describe("the API server takes", () => {
  let api: ApiServer;
  beforeAll(async () => {
    api = await startApiServer({ controllerManager: false });
    await api.applyCrds();
    await api.kubectl(["apply", "--server-side", "-f", await prometheusCrds()]);
    for (const namespace of ["istio-system", "monitoring"])
      await api.kubectl(["create", "namespace", namespace]);
    await api.kubectl(["apply", "-k", "config/default"]);
    return () => api[Symbol.asyncDispose]();
  });

  const applied = choices.filter(
    ({ length }) => length === 1 || length === 2 || length === components.length,
  );
  test.each(applied.map((chosen) => ({ name: chosen.join(", "), chosen })))("$name", async ({ chosen }) => {
    const made = await api.kubectl(["apply", "-k", await folderOf(chosen)]);
    expect(made).toContain("deployment.apps/registryhub ");
  });

  test("config/tenant", async () => {
    await api.kubectl(["apply", "-k", "config/tenant"]);
  });
});
