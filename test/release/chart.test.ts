import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { parseManifests } from "../../src/kube/manifests.ts";
import type { KubeObject } from "../../src/model/kubernetes.ts";
import { hash } from "../../src/translate/names.ts";
import { kubeBinaries } from "../bed/kube-binaries.ts";
import { run } from "../bed/run.ts";
import { chart, helm, renderChart, type Values, valuesFlags } from "../support/helm.ts";
import {
  type Deployment,
  findObject,
  flagsOf,
  installNamespace,
  type Role,
  rolesIn,
} from "../support/install.ts";
import { textOf } from "../support/markdown.ts";
import { type Component, components, folderOf } from "../tenancy/kustomization.ts";

/** What the chart is told for a component of config/. */
const valuesOf: Readonly<Record<Component, Values>> = {
  "destination-rules": { components: { "destination-rules": true } },
  "istio-system": { rootNamespace: "istio-system" },
  lanes: { lanes: [{ name: "critical", vipCidr: "240.242.0.0/16" }] },
  monitoring: { components: { monitoring: true } },
  "multi-tenant": { components: { "multi-tenant": true } },
  "network-policy": { components: { "network-policy": true } },
  priority: { components: { priority: true } },
  "scoped-filters": { components: { "scoped-filters": true } },
};

function valuesFor(chosen: readonly Component[]): Values {
  const each = chosen.map((one) => valuesOf[one]);
  const flags = Object.assign({}, ...each.map((values) => values.components)) as object;
  return Object.assign({}, ...each, { components: flags }) as Values;
}

/** The objects of a kustomization of ours, without the two differences that README.md of the chart names. */
async function renderKustomization(chosen: readonly Component[], more?: object): Promise<unknown> {
  const { kubectl } = await kubeBinaries(["kubectl"]);
  const text = await run(kubectl, ["kustomize", await folderOf(chosen, more)]);
  const objects = parseManifests(text) as readonly KubeObject[];
  return comparable(objects.filter(({ kind }) => kind !== "Namespace"));
}

async function renderComparable(values: Values): Promise<unknown> {
  const objects = await renderChart(values);
  const crd = findObject(objects, "CustomResourceDefinition", "registryhubs.ecns.easystack.cn");
  expect(crd.metadata.annotations).toEqual({ "helm.sh/resource-policy": "keep" });
  const { annotations: _, ...metadata } = crd.metadata;
  return comparable(objects.map((one) => (one === crd ? { ...crd, metadata } : one)));
}

/** By kind, namespace and name; flags have no order. */
function comparable(objects: readonly KubeObject[]): Readonly<Record<string, unknown>> {
  const copies = structuredClone(objects) as readonly KubeObject[];
  for (const one of copies) if (one.kind === "Deployment") sortFlags(one as Deployment);
  const entries = copies.map((one) => [
    `${one.kind} ${one.metadata.namespace ?? ""}/${one.metadata.name}`,
    one,
  ]);
  expect(new Set(entries.map(([key]) => key)).size).toBe(copies.length);
  return Object.fromEntries(entries) as Readonly<Record<string, unknown>>;
}

function sortFlags({ spec }: Deployment): void {
  const container = spec.template.spec.containers[0] as { args: readonly string[] };
  container.args = [...container.args.slice(0, 1), ...container.args.slice(1).toSorted()];
}

/** A strategic merge patch of both Deployments' pods. */
const podPatch = (pod: object, metadata: object = {}) => ({
  target: { kind: "Deployment" },
  patch: JSON.stringify({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "any" },
    spec: { template: { metadata, spec: pod } },
  }),
});
/** A patch of one object. */
const patchOf = (object: object) => ({ patch: JSON.stringify(object) });
const sized = (name: string, replicas: number, resources: object) =>
  patchOf({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace: installNamespace },
    spec: { replicas, template: { spec: { containers: [{ name: "controller", resources }] } } },
  });
const withoutBinding = (name: string) =>
  patchOf({
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRoleBinding",
    metadata: { name },
    $patch: "delete",
  });
const envOf = (variables: Readonly<Record<string, string>>) =>
  ["registryhub", "dubbo-controller"].map((name) => ({
    target: { kind: "Deployment", name },
    patch: JSON.stringify(
      Object.entries(variables).map(([variable, value]) => ({
        op: "add",
        path: "/spec/template/spec/containers/0/env/-",
        value: { name: variable, value },
      })),
    ),
  }));

const toleration = { key: "mesh", operator: "Exists", effect: "NoSchedule" };
const affinity = { podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [] } };
const digest = `sha256:${"0123456789abcdef".repeat(4)}`;
const large = { requests: { cpu: "1", memory: "1Gi" }, limits: { memory: "2Gi" } };
const small = { requests: { cpu: "50m", memory: "128Mi" }, limits: { memory: "256Mi" } };

/** Every other value, and how kustomize says the same. */
const rows: readonly {
  readonly value: string;
  readonly values: Values;
  readonly more: object;
  readonly chosen?: readonly Component[];
}[] = [
  {
    value: "image with a tag",
    values: { image: { repository: "registry.example/a/hub", tag: "1.2.3" } },
    more: { images: [{ name: "registryhub", newName: "registry.example/a/hub", newTag: "1.2.3" }] },
  },
  {
    value: "image with a digest",
    values: { image: { repository: "registry.example/hub", tag: "left-out", digest, pullPolicy: "Always" } },
    more: {
      images: [{ name: "registryhub", newName: "registry.example/hub", digest }],
      patches: [podPatch({ containers: [{ name: "controller", imagePullPolicy: "Always" }] })],
    },
  },
  {
    value: "imagePullSecrets, nodeSelector, tolerations, affinity, priorityClassName",
    values: {
      imagePullSecrets: [{ name: "pull" }],
      nodeSelector: { pool: "infra" },
      tolerations: [toleration],
      affinity,
      priorityClassName: "system-cluster-critical",
    },
    more: {
      patches: [
        podPatch({
          imagePullSecrets: [{ name: "pull" }],
          nodeSelector: { pool: "infra" },
          tolerations: [toleration],
          affinity,
          priorityClassName: "system-cluster-critical",
        }),
      ],
    },
  },
  {
    value: "podLabels, podAnnotations, also of lanes",
    values: { ...valuesOf.lanes, podLabels: { team: "mesh" }, podAnnotations: { "example.com/a": "b" } },
    chosen: ["lanes"],
    more: { patches: [podPatch({}, { labels: { team: "mesh" }, annotations: { "example.com/a": "b" } })] },
  },
  {
    value: "commonLabels",
    values: { commonLabels: { team: "mesh" } },
    more: { labels: [{ pairs: { team: "mesh" } }] },
  },
  {
    value: "replicas and resources",
    values: {
      controllers: {
        registryhub: { replicas: 3, resources: large },
        "dubbo-controller": { replicas: 1, resources: small },
      },
    },
    more: { patches: [sized("registryhub", 3, large), sized("dubbo-controller", 1, small)] },
  },
  {
    value: "settings",
    values: {
      settings: { "watch-namespaces": "shop,billing", "max-answer-bytes": 67108864, "dubbo-rules": false },
    },
    more: {
      patches: envOf({
        REGISTRYHUB_DUBBO_RULES: "false",
        REGISTRYHUB_MAX_ANSWER_BYTES: "67108864",
        REGISTRYHUB_WATCH_NAMESPACES: "shop,billing",
      }),
    },
  },
  {
    value: "rights",
    values: { rights: { secrets: false, identity: false } },
    more: { patches: [withoutBinding("registryhub-secrets"), withoutBinding("registryhub-identity")] },
  },
  {
    value: "metricsNamespace",
    values: { ...valuesOf["network-policy"], metricsNamespace: "prometheus" },
    chosen: ["network-policy"],
    more: {
      patches: [
        {
          target: { kind: "NetworkPolicy" },
          patch: JSON.stringify([
            {
              op: "replace",
              path: "/spec/ingress/0/from/0/namespaceSelector/matchLabels/kubernetes.io~1metadata.name",
              value: "prometheus",
            },
          ]),
        },
      ],
    },
  },
];

const choices: readonly (readonly Component[])[] = [
  [],
  ...components.map((one) => [one]),
  ...components.flatMap((one, at) => components.slice(at + 1).map((other) => [one, other])),
  components,
];

describe("the chart makes what kustomize makes", () => {
  test.each(choices.map((chosen) => ({ name: chosen.join(", ") || "config/default", chosen })))(
    "of $name",
    async ({ chosen }) => {
      expect(await renderComparable(valuesFor(chosen))).toEqual(await renderKustomization(chosen));
    },
  );

  test.each(rows)("with $value", async ({ values, more, chosen = [] }) => {
    expect(await renderComparable(values)).toEqual(await renderKustomization(chosen, more));
  });

  test("whichever value is set: no value is compared nowhere", () => {
    const keysOf = (values: Values): readonly string[] =>
      Object.entries(values).flatMap(([key, value]) =>
        value !== null && typeof value === "object" && Object.keys(value).length > 0 && !Array.isArray(value)
          ? Object.keys(value).map((inner) => `${key}.${inner}`)
          : [key],
      );
    const compared = [...Object.values(valuesOf), ...rows.map(({ values }) => values)].flatMap(keysOf);
    const all = keysOf(parse(textOf("charts/registryhub/values.yaml")) as Values);
    // Of these the tests below speak.
    const others = ["crds.enabled", "crds.keep"];
    expect(all.filter((key) => !compared.some((one) => one === key || one.startsWith(`${key}.`)))).toEqual(
      others,
    );
  });
});

test("helm lint has nothing to say, whatever is chosen", async () => {
  for (const chosen of [[], components]) {
    const said = await helm(["lint", "--strict", chart, ...(await valuesFlags(valuesFor(chosen)))]);
    expect(said).toContain("0 chart(s) failed");
    expect(said).not.toMatch(/\[(WARNING|ERROR)\]/);
  }
});

test("crds.keep and crds.enabled do what they say", async () => {
  const crds = async (values: object) =>
    (await renderChart({ crds: values })).filter(({ kind }) => kind === "CustomResourceDefinition");
  expect((await crds({ keep: false })).map(({ metadata }) => metadata.annotations)).toEqual([undefined]);
  expect(await crds({ enabled: false })).toEqual([]);
});

test("in another namespace nothing is left of servicemesh but the root namespace's filters", async () => {
  const objects = await renderChart(valuesFor(components.filter((one) => one !== "istio-system")), {
    namespace: "elsewhere",
  });
  const named = objects.filter((one) => JSON.stringify(one).includes("servicemesh"));
  expect(named.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual([
    "Role dubbo-controller-envoyfilters",
    "RoleBinding dubbo-controller-envoyfilters",
  ]);
  expect(JSON.stringify(objects)).toContain("system:serviceaccount:elsewhere:registryhub");
});

test("several lanes have Deployments, ranges and Leases of their own, and the rest serves the others", async () => {
  const objects = await renderChart({
    components: { "multi-tenant": true },
    settings: { "vip-cidr": "240.240.0.0/16", "deny-targets": "com" },
    lanes: [
      { name: "gold", vipCidr: "240.242.0.0/16", replicas: 0, resources: large },
      { name: "silver", vipCidr: "240.243.0.0/16" },
    ],
  });
  const rest = "ecns.easystack.cn/lane notin (gold,silver)";
  const tenant = ["--page-port=8081", "--allow-cross-namespace=false", "--deny-targets=com", "--page-port=0"];
  const flags = (name: string) =>
    flagsOf(objects, name as "registryhub").filter((flag) => flag !== "--leader-elect");
  expect(flags("registryhub")).toEqual([...tenant, `--hub-selector=${rest}`]);
  expect(flags("registryhub-gold")).toEqual([
    ...tenant,
    "--hub-selector=ecns.easystack.cn/lane=gold",
    "--vip-cidr=240.242.0.0/16",
  ]);
  const gold = findObject<Deployment>(objects, "Deployment", "registryhub-gold");
  expect(gold.spec).toMatchObject({
    replicas: 0,
    template: { spec: { containers: [{ resources: large }] } },
  });
  expect(findObject<Deployment>(objects, "Deployment", "registryhub-silver").spec.replicas).toBe(2);
  const leases = [rest, "ecns.easystack.cn/lane=gold", "ecns.easystack.cn/lane=silver"].map((one) =>
    hash(one),
  );
  const leader = rolesIn(objects).find(({ metadata }) => metadata.name === "registryhub-leader") as Role;
  expect(leader.rules.at(-1)?.resourceNames).toEqual([
    "registryhub",
    ...leases.map((lease) => `registryhub-${lease}`),
  ]);
  const policy = JSON.stringify(
    findObject(objects, "ValidatingAdmissionPolicy", "registryhub-serviceentries"),
  );
  const ranges = JSON.stringify('["240.240.0.0/16", "240.242.0.0/16", "240.243.0.0/16"]');
  expect(policy).toContain(ranges);
});

describe("a value that cannot be meant is refused before anything is installed:", () => {
  test.each([
    ["a setting that does not exist", { settings: { "vip-cdr": "240.241.0.0/16" } }, "vip-cdr"],
    ["a setting that the chart owns", { settings: { "leader-elect": false } }, "leader-elect"],
    ["a component that does not exist", { components: { lanes: true } }, "lanes"],
    ["a word that does not exist", { tolerance: [] }, "tolerance"],
    ["a lane without virtual IPs", { lanes: [{ name: "gold" }] }, "vipCidr"],
    ["a digest that is none", { image: { digest: "latest" } }, "digest"],
    [
      "two words on one thing",
      { components: { "multi-tenant": true }, settings: { "allow-cross-namespace": true } },
      "leave one of the two out",
    ],
  ])("%s", async (_, values, said) => {
    await expect(renderChart(values)).rejects.toThrow(said);
  });
});
