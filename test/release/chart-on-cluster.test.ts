import { cp } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { version } from "../../src/cli/version.ts";
import { type ApiServer, startApiServer } from "../bed/api-server.ts";
import { earlierVersion } from "../bed/earlier-version.ts";
import { temporaryFolder } from "../bed/watchdog.ts";
import { chart } from "../support/helm.ts";
import { applyInstall, checkout, installNamespace } from "../support/install.ts";
import { installed, namesOfInstall, withHelm } from "./installed.ts";

const hub = {
  apiVersion: "ecns.easystack.cn/v1alpha1",
  kind: "RegistryHub",
  metadata: { name: "hub", namespace: "shop" },
  spec: { generate_to: "shop", type: "zookeeper", address: "127.0.0.1:1", suspend: true },
};
const entry = {
  apiVersion: "networking.istio.io/v1beta1",
  kind: "ServiceEntry",
  metadata: {
    name: "greeting",
    namespace: "shop",
    labels: { "app.kubernetes.io/managed-by": "registryhub", "hub.ecns.easystack.cn/deadbeef": "" },
  },
  spec: { hosts: ["greeting.shop"], ports: [{ number: 80, name: "http" }], resolution: "STATIC" },
};

const kept = [
  "crd/registryhubs.ecns.easystack.cn",
  "-n=shop registryhub/hub",
  "-n=shop serviceentry/greeting",
  `namespace/${installNamespace}`,
];

async function clusterWithHub(install: (api: ApiServer) => Promise<unknown>): Promise<ApiServer> {
  const api = await startApiServer();
  await api.applyCrds();
  await install(api);
  await api.kubectl(["create", "namespace", "shop"]);
  for (const object of [hub, entry])
    await api.kubectl(["apply", "-f", "-"], { input: JSON.stringify(object) });
  return api;
}

/** The uids of what no installation may touch. */
const uidsOf = (api: ApiServer): Promise<readonly string[]> =>
  Promise.all(kept.map((one) => api.kubectl(["get", ...one.split(" "), "-o", "jsonpath={.metadata.uid}"])));

/** What was deleted since then, but Helm's own records. */
async function deletedSince(api: ApiServer, since: Date): Promise<readonly string[]> {
  const writes = await api.writes({ since, user: "admin" });
  return writes
    .filter(({ verb, resource }) => verb.startsWith("delete") && resource !== "secrets")
    .map(({ resource, name }) => `${resource}/${name}`);
}

async function canDo(api: ApiServer, account: string, verb: string, resource: string): Promise<string> {
  const as = `--as=system:serviceaccount:${installNamespace}:${account}`;
  return (await api.kubectl(["auth", "can-i", verb, resource, "-A", as]).catch(() => "no")).trim();
}

describe("helm install --take-ownership", () => {
  test.each([
    ["this version's", async () => checkout],
    ["the first version's", async () => (await earlierVersion()).folder],
  ])("takes over %s kustomize install: every object stays the one it was", async (_, folder) => {
    await using api = await clusterWithHub(async (to) => applyInstall(to, "default", await folder()));
    const [before, untouched, since] = [await installed(api), await uidsOf(api), new Date()];
    await expect(withHelm(api, "install")).rejects.toThrow("cannot be imported into the current release");
    await withHelm(api, "install", { flags: ["--take-ownership"] });
    const after = await installed(api);
    expect(after).toMatchObject(before);
    expect(Object.keys(after).toSorted()).toEqual(await namesOfInstall());
    expect(await uidsOf(api)).toEqual(untouched);
    expect(await deletedSince(api, since)).toEqual([]);
    expect(await canDo(api, "registryhub", "patch", "serviceentries.networking.istio.io")).toBe("yes");

    await withHelm(api, "uninstall");
    expect(await installed(api)).toEqual({});
    expect(await uidsOf(api)).toEqual(untouched);
  });
});

/** The part of the CRD that changes from one version to the next. */
interface Definition {
  readonly spec: { readonly versions: object };
}

describe("helm", () => {
  const folder = temporaryFolder("chart").path;
  let api: ApiServer;
  beforeAll(async () => {
    api = await clusterWithHub((to) => withHelm(to, "install", { flags: ["--create-namespace"] }));
    return () => api[Symbol.asyncDispose]();
  });

  test("takes values in and out again, and deletes what belonged to them only", async () => {
    const [plain, untouched] = [await installed(api), await uidsOf(api)];
    await api.kubectl(["create", "namespace", "monitoring"]);
    const components = ["destination-rules", "multi-tenant", "network-policy", "priority", "scoped-filters"];
    await withHelm(api, "upgrade", {
      values: {
        components: Object.fromEntries(components.map((name) => [name, true])),
        lanes: [{ name: "critical", vipCidr: "240.242.0.0/16" }],
      },
    });
    const all = await installed(api);
    expect(all).toMatchObject(plain);
    const added = Object.keys(all).filter((key) => !(key in plain));
    expect(added).toContain("Deployment/registryhub-critical");
    expect(added).toContain("ValidatingAdmissionPolicy/registryhub-hubs");
    const since = new Date();
    await withHelm(api, "upgrade");
    expect(await installed(api)).toEqual(plain);
    expect(await deletedSince(api, since)).toHaveLength(added.length);
    expect(await uidsOf(api)).toEqual(untouched);
  });

  test("upgrades the CRD with the release", async () => {
    const earlier = join(folder, "registryhub");
    await cp(chart, earlier, { recursive: true });
    await cp(
      join((await earlierVersion()).folder, "crds/registryhub.yaml"),
      join(earlier, "manifests/crds/registryhub.yaml"),
    );
    const versions = async () => {
      const crd = await api.kubectl(["get", "crd/registryhubs.ecns.easystack.cn", "-o", "json"]);
      return (JSON.parse(crd) as Definition).spec.versions;
    };
    const newest = await versions();
    await withHelm(api, "upgrade", { from: earlier });
    expect(await versions()).not.toEqual(newest);
    await withHelm(api, "upgrade");
    expect(await versions()).toEqual(newest);
  });

  test("prints what is missing, and what comes next", async () => {
    const told = await withHelm(api, "upgrade", {
      values: {
        image: { repository: "registry.example/hub" },
        lanes: [{ name: "gold", vipCidr: "240.242.0.0/16" }],
      },
    });
    expect(told).toContain("a process of their own: gold.");
    expect(told).not.toContain("no registry of the world has");
    const plain = await withHelm(api, "upgrade", { values: { crds: { keep: false } } });
    expect(plain).toContain(`registryhub ${version} is in namespace ${installNamespace}`);
    expect(plain).toContain("no registry of the world has");
    expect(plain).toContain("with it every hub");
    await withHelm(api, "upgrade");
  });

  test("uninstalls all but the CRD, hubs and entries, and installs again", async () => {
    const untouched = await uidsOf(api);
    await withHelm(api, "uninstall");
    expect(await installed(api)).toEqual({});
    expect(await uidsOf(api)).toEqual(untouched);
    await withHelm(api, "install");
    expect(await uidsOf(api)).toEqual(untouched);
    expect(await canDo(api, "dubbo-controller", "list", "registryhubs.ecns.easystack.cn")).toBe("yes");
  });
});
