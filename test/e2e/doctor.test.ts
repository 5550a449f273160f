import { beforeAll, describe, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { command, holdLeases } from "./command.ts";
import { newTenant, providerUrl, SOON_MS, type Tenant, untilReady, useWorld } from "./world.ts";

const world = useWorld();

const doctor = (args: readonly string[] = [], env: Readonly<Record<string, string>> = {}) =>
  command(world, ["doctor", ...args], env);

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly [field: string]: unknown;
}

const apply = (object: Manifest) =>
  world.api.kubectl(["apply", "-f", "-"], { input: JSON.stringify(object) });
const remove = (object: Manifest) =>
  world.api.kubectl(["delete", "-f", "-"], { input: JSON.stringify(object) });

const root = "servicemesh";
const meshConfig = (mesh: string): Manifest => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { namespace: root, name: "istio" },
  data: { mesh: `rootNamespace: ${root}\n${mesh}` },
});
const injector = (includeIPRanges: string): Manifest => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { namespace: root, name: "istio-sidecar-injector" },
  data: { values: JSON.stringify({ global: { proxy: { includeIPRanges } } }) },
});
const capturing = "defaultConfig: { proxyMetadata: { ISTIO_META_DNS_CAPTURE: 'true' } }\n";
const istio = (kind: string, namespace: string, spec: object): Manifest => ({
  apiVersion: "networking.istio.io/v1beta1",
  kind,
  metadata: { namespace, name: "odd" },
  spec,
});

let tenant: Tenant;
let host: string;

/** A cluster in which nothing is wrong. */
beforeAll(async () => {
  await holdLeases(world, root);
  await apply(meshConfig(capturing));
  await apply(injector("*"));
  tenant = await newTenant(world);
  host = `org.example.shop-1.0.0.${tenant.namespace}`;
  await tenant.provide(providerUrl("org.example.Shop", "10.42.7.1:20880"));
  await tenant.applyHub();
  await untilReady(tenant);
});

test("a cluster in which nothing is wrong is fine", async () => {
  await eventually(async () => {
    const { code, stdout } = await doctor();
    expect(stdout).toMatch(/^ {2}fine +istio, crd, leaders, rights, hubs, /);
    expect(stdout.trimEnd().split("\n").at(-1)).toBe("Nothing is wrong.");
    expect(code).toBe(0);
  }, SOON_MS);
});

/** While the object is there, the doctor finds it first. */
async function finds(broken: Manifest, ...[wrong, cause, fix]: readonly RegExp[]): Promise<void> {
  await apply(broken);
  const { code, head } = await doctor();
  await remove(broken);
  expect(head).toEqual([wrong, cause, fix].map((one) => expect.stringMatching(one ?? /^$/)));
  expect(code).toBe(1);
}

describe("the first three lines name cause and fix of", () => {
  test("DNS that proxies do not answer", async () => {
    await apply(meshConfig(""));
    const { code, head } = await doctor();
    await apply(meshConfig(capturing));
    expect(code).toBe(1);
    expect(head[0]).toMatch(/^consumers cannot resolve the hosts of hubs/);
    expect(head[1]).toMatch(/^cause: ConfigMap servicemesh\/istio does not say "true"/);
    expect(head[2]).toMatch(/^fix: {3}Set it there and restart the consumers/);
  });

  test("outbound ranges without the virtual IPs", async () => {
    await apply(injector("10.0.0.0/8"));
    const { code, head } = await doctor();
    await apply(injector("*"));
    expect(code).toBe(1);
    expect(head[1]).toMatch(
      /^cause: includeOutboundIPRanges has only 10\.0\.0\.0\/8 \(ConfigMap servicemesh/,
    );
    expect(head[2]).toMatch(/^fix: {3}Add 240\.241\.0\.0\/16 /);
  });

  test("a Sidecar that has proxies listen elsewhere", () =>
    finds(
      istio("Sidecar", tenant.namespace, {
        egress: [
          {
            port: { number: 20_880, protocol: "TCP", name: "tcp" },
            bind: "127.0.0.1",
            captureMode: "NONE",
            hosts: ["*/*"],
          },
        ],
      }),
      /^calls to org\.example\.shop-1\.0\.0\.t\d+ miss their virtual IP in proxies$/,
      /^cause: Sidecar t\d+\/odd has egress by which they listen at 127\.0\.0\.1/,
      /^fix: {3}Take that out of it, or add an egress without: kubectl edit sidecar -n t\d+ odd$/,
    ));

  test("a DestinationRule with tls", () =>
    finds(
      istio("DestinationRule", tenant.namespace, { host, trafficPolicy: { tls: { mode: "ISTIO_MUTUAL" } } }),
      /^calls to org\.example\.shop-1\.0\.0\.t\d+ are by TLS, also where providers do not speak it/,
      /^cause: DestinationRule t\d+\/odd sets tls\.mode ISTIO_MUTUAL/,
      /^fix: {3}Take tls out of it/,
    ));

  test("a node whose pods have virtual IPs", () =>
    finds(
      { apiVersion: "v1", kind: "Node", metadata: { name: "odd" }, spec: { podCIDR: "240.241.4.0/24" } },
      /^pods of nodes have addresses in the range of the virtual IPs/,
      /^cause: odd: in 240\.241\.0\.0\/16 \(--vip-cidr\)$/,
      /^fix: {3}Give the hub-controller a --vip-cidr that nobody uses/,
    ));

  test("a right that the operator lacks", async () => {
    const binding = ["clusterrolebinding", "registryhub-identity"];
    await world.api.kubectl(["delete", ...binding]);
    await eventually(async () => {
      const { code, head } = await doctor();
      expect(head[0]).toBe(
        "ServiceAccount registryhub lacks rights, so new endpoints are called in plain text (IdentityUnknown)",
      );
      expect(head[1]).toBe(
        "cause: system:serviceaccount:servicemesh:registryhub may not list, watch pods in the cluster",
      );
      expect(head[2]).toBe("fix:   Grant them as config/rbac does: kubectl apply -k config/rbac");
      expect(code).toBe(1);
    }, SOON_MS);
    const account = "--serviceaccount=servicemesh:registryhub";
    await world.api.kubectl(["create", ...binding, "--clusterrole=registryhub-identity", account]);
  });

  test("a Lease that nobody holds", async () => {
    const name = "dubbo-controller";
    await world.api.kubectl(["delete", "lease", "-n", root, name]);
    const { code, head } = await doctor();
    expect(code).toBe(1);
    expect(head[0]).toBe("nobody leads as dubbo-controller, so filters do not follow the services");
    expect(head[1]).toMatch(/^cause: Lease servicemesh\/dubbo-controller does not exist/);
    expect(head[2]).toMatch(/^fix: {3}See why no process of it is ready: kubectl get pods -n servicemesh/);
  });

  test("a CRD that is older than the program", async () => {
    const crd = ["crd", "registryhubs.ecns.easystack.cn"];
    const path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/exportTo";
    const patch = JSON.stringify([{ op: "remove", path }]);
    await world.api.kubectl(["patch", ...crd, "--type=json", "-p", patch]);
    const { code, head } = await doctor();
    expect(code).toBe(1);
    expect(head[0]).toMatch(/^the CRD of RegistryHub is older than this program: /);
    expect(head[1]).toBe(
      "cause: CustomResourceDefinition registryhubs.ecns.easystack.cn lacks spec.exportTo",
    );
    expect(head[2]).toBe("fix:   kubectl apply -k config/crd, and apply the hubs again.");
  });
});

describe("one consumer", () => {
  const consumers = "consumers";
  const pod = (name: string, containers: readonly object[]): Manifest => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { namespace: consumers, name },
    spec: {
      containers: [{ name: "app", image: "app" }, ...containers],
      initContainers: [{ name: "istio-init", image: "proxy", args: ["istio-iptables", "-i", "*", "-x", ""] }],
    },
  });
  const proxy = {
    name: "istio-proxy",
    image: "istio/proxyv2:1.31.1",
    env: [{ name: "ISTIO_META_DNS_CAPTURE", value: "true" }],
  };
  const lastOf = (stdout: string) => stdout.trimEnd().split("\n").at(-1);

  beforeAll(async () => {
    await world.api.kubectl(["create", "namespace", consumers]);
    await eventually(() => apply(pod("app", [proxy])), SOON_MS); // its ServiceAccount comes a moment later
    await apply(pod("bare", []));
  });

  test("reaches the hosts, by name and by virtual IP", async () => {
    const { code, stdout } = await doctor(["--pod", "consumers/app"]);
    expect(lastOf(stdout)).toBe("Pod consumers/app reaches 1 host of hubs, by name and by virtual IP.");
    expect(code).toBe(0);
  });

  test("that follows a Sidecar without them is told which one", async () => {
    const sidecar = istio("Sidecar", root, { egress: [{ hosts: ["./*"] }] });
    await apply(sidecar);
    const { code, head, stdout } = await doctor(["--pod", "app", "-n", consumers]);
    await remove(sidecar);
    expect(code).toBe(1);
    expect(head[0]).toBe("the proxy of Pod consumers/app does not see 1 host of hubs (FAQ 4.3)");
    expect(head[1]).toMatch(/^cause: Sidecar servicemesh\/odd restricts egress, and lacks t\d+\/\*$/);
    expect(head[2]).toMatch(/^fix: {3}Create a Sidecar in namespace consumers/);
    expect(lastOf(stdout)).toMatch(/ reaches no host of hubs, neither by name nor by virtual IP\.$/);
  });

  test("without a sidecar is told why, and one that is not there is a wrong usage", async () => {
    const { code, head } = await doctor(["--pod", "consumers/bare"]);
    expect(code).toBe(1);
    expect(head[0]).toBe("Pod consumers/bare has no sidecar (FAQ 4.1)");
    expect(head[1]).toMatch(/and neither does namespace consumers/);
    expect(await doctor(["--pod", "consumers/none"])).toMatchObject({ code: 2, stdout: "" });
  });
});

describe("a person", () => {
  test("without rights is told which one is missing", async () => {
    const KUBECONFIG = await world.api.kubeconfigFor(world.api.aliceToken);
    const { code, stderr } = await doctor([], { KUBECONFIG });
    expect(code).toBe(3);
    expect(stderr).toMatch(
      /^the cluster cannot be read: registryhubs\.ecns\.easystack\.cn: you may not list them/,
    );
  });
});
