import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { version } from "../../src/cli/version.ts";
import { parseManifests } from "../../src/kube/manifests.ts";
import type { KubeObject } from "../../src/model/kubernetes.ts";
import { baseImageStorage, baseImages } from "../bed/base-images.ts";
import { openBuildah } from "../bed/buildah.ts";
import { run } from "../bed/run.ts";
import { temporaryFolder } from "../bed/watchdog.ts";
import { helm, renderChart } from "../support/helm.ts";
import { checkout, type Deployment, findObject, renderInstall } from "../support/install.ts";

const REPOSITORY = "registry.example/mesh/registryhub";
const platform = `linux/${process.arch === "x64" ? "amd64" : process.arch}`;
const archive = `image-${platform.replace("/", "-")}.tar`;
const folder = temporaryFolder("release").path;
const out = join(folder, "out");

async function release(OUT: string, env: Readonly<Record<string, string>>): Promise<void> {
  await run(process.execPath, ["scripts/release.ts"], { cwd: checkout, env: { REPOSITORY, OUT, ...env } });
}
const textOf = (file: string, from = out): string => readFileSync(join(from, file), "utf8");
const manifestsOf = (file: string) => parseManifests(textOf(file)) as readonly KubeObject[];

/** As another machine would make it: with an image storage that has nothing of an earlier build. */
async function releaseWithImage(to: string): Promise<void> {
  await using buildah = await openBuildah({ below: await baseImageStorage() });
  const PATH = `${buildah.binFolder}:${process.env.PATH}`;
  await release(to, { PATH, BUILDER: "buildah", PLATFORMS: platform, ...baseImages });
}

beforeAll(() => releaseWithImage(out));

test("a release has everything that is published, and a checksum of each", async () => {
  expect(readdirSync(out).toSorted()).toEqual(
    [
      "SHA256SUMS",
      "crds.yaml",
      archive,
      "install-istio-system.yaml",
      "install-multi-tenant.yaml",
      "install.yaml",
      `registryhub-${version}.tgz`,
      "sbom.cdx.json",
    ].toSorted(),
  );
  await run("sha256sum", ["--check", "--strict", "SHA256SUMS"], { cwd: out });
  expect(textOf("SHA256SUMS").trim().split("\n")).toHaveLength(readdirSync(out).length - 1);
});

test("its manifests are those of config/, with the image of the release", async () => {
  const image = (text: string) => text.replaceAll(`"registryhub:${version}"`, `"${REPOSITORY}:${version}"`);
  for (const [file, overlay] of [
    ["install.yaml", "default"],
    ["install-istio-system.yaml", "istio-system"],
    ["install-multi-tenant.yaml", "multi-tenant"],
    ["crds.yaml", "crd"],
  ] as const)
    expect(manifestsOf(file)).toEqual(JSON.parse(image(JSON.stringify(await renderInstall(overlay)))));
});

test("its chart makes what install.yaml makes", async () => {
  const from = join(out, `registryhub-${version}.tgz`);
  const objects = await renderChart({}, { from });
  const names = (all: readonly KubeObject[]) =>
    all
      .filter(({ kind }) => kind !== "Namespace")
      .map(({ kind, metadata }) => `${kind}/${metadata.name}`)
      .toSorted();
  expect(names(objects)).toEqual(names(manifestsOf("install.yaml")));
  const { spec } = findObject<Deployment>(objects, "Deployment", "registryhub");
  expect(spec.template.spec.containers[0].image).toBe(`${REPOSITORY}:${version}`);
  expect(await helm(["lint", "--strict", from])).toContain("0 chart(s) failed");
});

test("its SBOM names what the bundle is made of, and nothing that only tests need", () => {
  const sbom = JSON.parse(textOf("sbom.cdx.json")) as {
    readonly bomFormat: string;
    readonly metadata: { readonly component: { readonly name: string; readonly version: string } };
    readonly components: readonly {
      readonly name: string;
      readonly version: string;
      readonly purl: string;
    }[];
  };
  expect(sbom).toMatchObject({
    bomFormat: "CycloneDX",
    metadata: { component: { name: "registryhub", version } },
  });
  const lock = JSON.parse(readFileSync(join(checkout, "package-lock.json"), "utf8")) as {
    readonly packages: Readonly<
      Record<string, { readonly version: string; readonly dev?: true; readonly optional?: true }>
    >;
  };
  const shipped = Object.entries(lock.packages)
    .filter(([path, { dev, optional }]) => path !== "" && !dev && !optional)
    .map(([path, one]) => `${path.replace(/.*node_modules\//, "")}@${one.version}`);
  const named = sbom.components.map((one) => `${one.name}@${one.version}`);
  expect(named.toSorted()).toEqual([...new Set(shipped)].toSorted());
  expect(named).toContainEqual(expect.stringMatching(/^commander@/));
  expect(named).not.toContainEqual(expect.stringMatching(/^vitest@/));
});

const imageIn = async (from: string): Promise<unknown> =>
  JSON.parse(await run("tar", ["-xOf", join(from, archive), "manifest.json"]));

test("its image is an archive of this version", async () => {
  expect(await imageIn(out)).toMatchObject([{ RepoTags: [`${REPOSITORY}:${version}`] }]);
});

test("the same commit makes the same files and the same image again", async () => {
  const again = join(folder, "again");
  await releaseWithImage(again);
  const sums = (from: string) => textOf("SHA256SUMS", from).split("\n");
  // An archive has its own times; the image in it is named by the hashes of what it is made of.
  const others = (from: string) => sums(from).filter((line) => !line.endsWith(".tar"));
  expect(others(again)).toEqual(others(out));
  expect(await imageIn(again)).toEqual(await imageIn(out));
});

test("a folder that has something else is left as it is", async () => {
  const other = join(folder, "other");
  mkdirSync(other);
  writeFileSync(join(other, "thesis.md"), "");
  await expect(release(other, { PLATFORMS: "none" })).rejects.toThrow("not empty and not of a release");
  expect(readdirSync(other)).toEqual(["thesis.md"]);
});
