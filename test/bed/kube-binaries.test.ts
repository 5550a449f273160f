import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { startApiServer } from "./api-server.ts";
import { apiPrograms, type KubeProgram, kubeBinaries, NEAR_VERSIONS } from "./kube-binaries.ts";
import { versions } from "./versions.ts";
import { type TemporaryFolder, temporaryFolder } from "./watchdog.ts";

const KUBERNETES_LINES = { "kube-apiserver": "Kubernetes v", kubectl: "Client Version: v" } as const;

const real = await kubeBinaries(apiPrograms);

let folder: TemporaryFolder;
let assets: string;
beforeEach(() => {
  folder = temporaryFolder("envtest");
  assets = join(folder.path, "k8s");
  mkdirSync(assets);
  vi.stubEnv("KUBEBUILDER_ASSETS", assets);
  // Nothing is found anywhere else, and building would fail at once.
  vi.stubEnv("REGISTRYHUB_BED_CACHE", join(folder.path, "cache"));
  vi.stubEnv("PATH", join(folder.path, "bin"));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await folder[Symbol.asyncDispose]();
});

/** A program that only knows its version. */
function fake(name: KubeProgram, prints: string): void {
  writeFileSync(join(assets, name), `#!/bin/sh\necho '${prints}'\n`, { mode: 0o755 });
}

/** envtest's three programs, Kubernetes' two of minor version `minor`. */
function fakeEnvtest(minor: number): void {
  fake("etcd", "etcd Version: 3.5.21");
  for (const [name, before] of Object.entries(KUBERNETES_LINES))
    fake(name as KubeProgram, `${before}1.${minor}.0`);
}

describe("the programs of KUBEBUILDER_ASSETS", () => {
  const pinned = Number(versions.kubernetes.split(".")[1]);

  test.each([-3, 0, 3])("are taken when they are %s minor versions from ours", async (distance) => {
    fakeEnvtest(pinned + distance);
    expect(await kubeBinaries(apiPrograms)).toEqual({
      etcd: join(assets, "etcd"),
      "kube-apiserver": join(assets, "kube-apiserver"),
      kubectl: join(assets, "kubectl"),
    });
  });

  test.each([-4, 4])("are refused when they are %s minor versions from ours", async (distance) => {
    fakeEnvtest(pinned + distance);
    await expect(kubeBinaries(["kube-apiserver"])).rejects.toThrow(
      `KUBEBUILDER_ASSETS: ${join(assets, "kube-apiserver")} is version 1.${pinned + distance}.0, and ` +
        `${versions.kubernetes} is needed, or one up to 3 minor versions from it`,
    );
  });

  test("are refused when they do not say their version", async () => {
    fake("etcd", "no idea");
    await expect(kubeBinaries(["etcd"])).rejects.toThrow("is version unknown");
  });

  test("have to be in a folder that exists", async () => {
    vi.stubEnv("KUBEBUILDER_ASSETS", join(folder.path, "typo"));
    await expect(kubeBinaries(apiPrograms)).rejects.toThrow("KUBEBUILDER_ASSETS: there is no folder");
  });

  test("are enough for an API server", async () => {
    for (const name of apiPrograms) symlinkSync(real[name], join(assets, name));
    await using api = await startApiServer({ controllerManager: false });
    expect(await api.kubectl(["create", "namespace", "shop", "-o", "name"])).toBe("namespace/shop\n");
  });

  test("may be without kube-controller-manager, which then is built", async () => {
    fakeEnvtest(pinned);
    await expect(kubeBinaries(["kube-controller-manager"])).rejects.toThrow("cannot run go");
  });
});

describe("the programs of PATH", () => {
  const pinned = Number(versions.kubernetes.split(".")[1]);
  beforeEach(() => {
    vi.stubEnv("KUBEBUILDER_ASSETS", undefined);
    vi.stubEnv("PATH", assets);
  });

  test("are taken when they are ours", async () => {
    fake("kubectl", `Client Version: v${versions.kubernetes}`);
    expect(await kubeBinaries(["kubectl"])).toEqual({ kubectl: join(assets, "kubectl") });
  });

  test("are left where they are when they are not, but for whoever only wants to show something", async () => {
    fakeEnvtest(pinned - 3);
    await expect(kubeBinaries(["kubectl"])).rejects.toThrow("cannot run go");
    vi.stubEnv(NEAR_VERSIONS, "1");
    expect(await kubeBinaries(["kubectl"])).toEqual({ kubectl: join(assets, "kubectl") });
    fakeEnvtest(pinned - 4);
    await expect(kubeBinaries(["kubectl"])).rejects.toThrow("cannot run go");
  });
});
