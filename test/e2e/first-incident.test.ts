import { beforeAll, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/free-port.ts";
import { blocksOf, textOf } from "../support/markdown.ts";
import { command, holdLeases } from "./command.ts";
import {
  conditionOf,
  newTenant,
  providerUrl,
  quickly,
  SOON_MS,
  STATUS_MS,
  type Tenant,
  untilFailed,
  untilNothingHeld,
  untilReady,
  useWorld,
} from "./world.ts";

/** What docs/first-incident.md shows: by heading, a command and the first three lines that it prints. */
const shown: ReadonlyMap<string, readonly string[]> = new Map(
  textOf("docs/first-incident.md")
    .split(/^### /m)
    .slice(1)
    .map((section) => [
      section.split("\n")[0] ?? "",
      (blocksOf(section, "text")[0] ?? "").trimEnd().split("\n"),
    ]),
);

/** A brake that outlasts a test. */
const world = useWorld({
  hub: [...quickly.filter((flag) => !flag.startsWith("--shrink-hold")), "--shrink-hold=10m"],
});

const root = "servicemesh";
/** Settings of the mesh in which nothing is wrong. */
const capturing = "defaultConfig: { proxyMetadata: { ISTIO_META_DNS_CAPTURE: 'true' } }\n";
const apply = (object: object) => world.api.kubectl(["apply", "-f", "-"], { input: JSON.stringify(object) });
const setMesh = (mesh: string) =>
  apply({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { namespace: root, name: "istio" },
    data: { mesh: `rootNamespace: ${root}\n${mesh}` },
  });
const serviceEntry = (namespace: string, host: string, addresses: readonly string[] = []) => ({
  apiVersion: "networking.istio.io/v1beta1",
  kind: "ServiceEntry",
  metadata: { namespace, name: "theirs" },
  spec: {
    hosts: [host],
    addresses,
    resolution: "DNS",
    ports: [{ name: "tcp", number: 20_880, protocol: "TCP" }],
  },
});
/** A pod as Istio's injector leaves it, with the status that a kubelet writes. */
async function runPod(namespace: string, name: string, ip: string, dns = "true"): Promise<void> {
  const proxy = {
    name: "istio-proxy",
    image: "istio/proxyv2:1.31.1",
    env: [{ name: "ISTIO_META_DNS_CAPTURE", value: dns }],
  };
  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { namespace, name, labels: { "security.istio.io/tlsMode": "istio" } },
    spec: { containers: [{ name: "app", image: "app" }, proxy] },
  };
  await eventually(() => apply(pod), SOON_MS); // the ServiceAccount of its namespace comes a moment later
  const status = JSON.stringify({ status: { phase: "Running", podIPs: [{ ip }] } });
  const patch = ["patch", "pod", "-n", namespace, name, "--subresource=status", "--type=merge", "-p", status];
  await world.api.kubectl(patch);
}
const remove = (...what: readonly string[]) => world.api.kubectl(["delete", ...what]);

/** A tenant whose hub is in sync with one provider of each of these services, at 10.42.7.1 and the next addresses. */
async function serve(
  namespace: string,
  services: readonly string[],
  port = 20_880,
): Promise<Tenant & { readonly paths: readonly string[] }> {
  const tenant = await newTenant(world, namespace);
  const urls = services.map((name, at) => providerUrl(`org.example.${name}`, `10.42.7.${at + 1}:${port}`));
  const paths = await tenant.provide(...urls);
  await tenant.applyHub();
  await untilReady(tenant);
  await untilNothingHeld(tenant);
  return { ...tenant, paths };
}
const tenServices = Array.from({ length: 10 }, (_, at) => `Part${at}`);

/** Breaks a world. What it returns mends it, where other worlds would be broken by it, too. */
type Break = () => Promise<(() => Promise<unknown>) | undefined>;
const worlds: Readonly<Record<string, Break>> = {
  "The operator lacks a right": async () => {
    await remove("clusterrolebinding", "registryhub-identity");
    const account = "--serviceaccount=servicemesh:registryhub";
    const binding = ["clusterrolebinding", "registryhub-identity", "--clusterrole=registryhub-identity"];
    return () => world.api.kubectl(["create", ...binding, account]);
  },
  "Nobody resolves the hosts": async () => {
    await setMesh("");
    await remove("pod", "-n", "web", "shop", "--force");
    await runPod("web", "shop", "10.42.6.1", "false");
    return async () => {
      await setMesh(capturing);
      await remove("pod", "-n", "web", "shop", "--force");
      await runPod("web", "shop", "10.42.6.1");
    };
  },
  "The mesh hides the hosts": async () => {
    const hiding = "serviceEntryVisibility: { defaultVisibility: NAMESPACE, applyToSidecars: true }\n";
    await setMesh(capturing + hiding);
    return () => setMesh(capturing);
  },
  "Providers demand mTLS": async () => {
    const { namespace, applyHub } = await serve("payments", ["Pay"]);
    await applyHub({ identity: "none" });
    await runPod(namespace, "pay-0", "10.42.7.1");
    const strict = {
      apiVersion: "security.istio.io/v1",
      kind: "PeerAuthentication",
      metadata: { namespace, name: "default" },
      spec: { mtls: { mode: "STRICT" } },
    };
    await apply(strict);
    return () => remove("peerauthentication", "-n", namespace, "default");
  },
  "Somebody else has the virtual IP": async () => {
    const tenant = await serve("orders", ["Order"]);
    const [entry] = await tenant.entries();
    await apply(serviceEntry(tenant.namespace, "legacy.example", entry?.spec.addresses));
    return () => remove("serviceentry", "-n", tenant.namespace, "theirs");
  },
  "Somebody else has the host": async () => {
    const namespace = "catalogue";
    const tenant = await newTenant(world, namespace);
    await apply(serviceEntry(namespace, `org.example.catalogue-1.0.0.${namespace}`));
    await tenant.provide(providerUrl("org.example.Catalogue", "10.42.7.1:20880"));
    await tenant.applyHub();
    await untilReady(tenant);
    return undefined;
  },
  "The port is not allowed": async () => {
    await serve("reports", ["Report"], 3306);
    return undefined;
  },
  "The address of the registry is wrong": async () => {
    const tenant = await newTenant(world, "stock");
    await tenant.applyHub({ address: `127.0.0.1:${await freePort()}` });
    await untilFailed(tenant, "RegistryUnreachable", /refused/);
    return undefined;
  },
  "Removals are held": async () => {
    const tenant = await serve("parts", tenServices);
    await settled(tenant);
    await Promise.all(tenant.paths.slice(0, 5).map((path) => world.writer.delete(path)));
    await untilHeld(tenant, "Shrunk");
    return undefined;
  },
  "The registry lost its data": async () => {
    const tenant = await serve("shipping", tenServices);
    await settled(tenant);
    await world.restartZooKeeper({ wipe: true });
    await untilHeld(tenant, "RegistryReset");
    return undefined;
  },
};

const untilHeld = (tenant: Tenant, reason: string) =>
  eventually(
    async () => expect(conditionOf(await tenant.hub(), "DeletionHeld").reason).toBe(reason),
    2 * STATUS_MS,
  );

/** The end of settling has passed: the hub says so only while it holds something. */
async function settled(tenant: Tenant): Promise<void> {
  const [path = ""] = await tenant.provide(providerUrl("org.example.Gone", "10.42.8.200:20880"));
  const hasEndpoint = async (count: number) => {
    const entry = (await tenant.entries()).find(({ metadata }) => metadata.name.includes("org-example-gone"));
    expect(entry?.spec.endpoints ?? []).toHaveLength(count);
  };
  await eventually(() => hasEndpoint(1), SOON_MS);
  await world.writer.delete(path);
  await eventually(() => hasEndpoint(0), STATUS_MS);
}

/** A cluster in which nothing is wrong. */
beforeAll(async () => {
  await holdLeases(world, root);
  await setMesh(capturing);
  await world.api.kubectl(["create", "namespace", "web"]);
  await runPod("web", "shop", "10.42.6.1");
  await serve("shop", ["Cart"]);
});

test("before, nothing is wrong", () =>
  eventually(async () => expect(await command(world, ["doctor"])).toMatchObject({ code: 0 }), SOON_MS));

/** Times and the ports of the bed are those of the day. */
const timeless = (line: string): string =>
  line
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME")
    .replace(/, for \d+\w+/, ", for AGE")
    .replace(/127\.0\.0\.1:\d+/g, "127.0.0.1:PORT");

test("the page shows these worlds", () => {
  expect([...shown.keys()].toSorted()).toEqual(Object.keys(worlds).toSorted());
});

test.each(Object.entries(worlds))(
  "%s: the first three lines name cause and fix",
  async (heading, breakWorld) => {
    const [prompt = "", ...expected] = shown.get(heading) ?? [];
    expect(prompt).toMatch(/^\$ kubectl registryhub /);
    expect(expected).toHaveLength(3);
    const mend = await breakWorld();
    try {
      await eventually(async () => {
        const { code, head } = await command(world, prompt.split(" ").slice(3));
        expect(head.map(timeless)).toEqual(expected.map(timeless));
        expect(code).toBe(1);
      }, STATUS_MS);
    } finally {
      await mend?.();
    }
  },
);
