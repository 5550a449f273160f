/**
 * Makes everything that a release publishes: manifests, chart, images, SBOM, checksums.
 *
 *   node scripts/release.ts
 *
 * Environment: REPOSITORY (where the image will be; default registryhub), PLATFORMS (default "linux/amd64 linux/arm64"; `none` =
 * no images), OUT (a folder, made anew if it has a release; default dist/release), SOURCE_DATE_EPOCH (default: the commit's
 * time), and those of scripts/image.ts but IMAGE, PLATFORM and ARCHIVE. Empty = not given. The same commit makes the same files,
 * images apart where the builder or its base images differ.
 */
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { version } from "../src/cli/version.ts";
import { kubeBinaries } from "../test/bed/kube-binaries.ts";
import { run } from "../test/bed/run.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const repository = process.env.REPOSITORY || "registryhub";
const platforms = (process.env.PLATFORMS || "linux/amd64 linux/arm64").split(/\s+/);
const out = resolve(root, process.env.OUT || "dist/release");
/** Seconds: the time that everything has. */
const time =
  process.env.SOURCE_DATE_EPOCH || (await run("git", ["log", "-1", "--format=%ct"], { cwd: root })).trim();

/** What `kubectl apply -f` takes, by the name of the file. */
const manifests = {
  "install.yaml": "default",
  "install-istio-system.yaml": "istio-system",
  "install-multi-tenant.yaml": "multi-tenant",
  "crds.yaml": "crd",
} as const;

/** There from the beginning, as the mark of a folder of ours, and empty until the release is whole. */
const checksums = join(out, "SHA256SUMS");
if (existsSync(out) && readdirSync(out).length > 0 && !existsSync(checksums)) {
  process.stderr.write(`release: ${out} is not empty and not of a release; give OUT another folder\n`);
  process.exit(1);
}
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
writeFileSync(checksums, "");
if ((await run("git", ["status", "--porcelain"], { cwd: root })) !== "")
  process.stderr.write("release: the checkout has changes that are in no commit\n");
const scratch = mkdtempSync(join(tmpdir(), "registryhub-release-"));
try {
  for (const [file, overlay] of Object.entries(manifests)) await writeManifest(file, overlay);
  await writeChart();
  await writeSbom();
  if (platforms[0] !== "none") for (const platform of platforms) await writeImage(platform);
  writeChecksums();
} finally {
  rmSync(scratch, { recursive: true });
}
process.stderr.write(`release: ${version} is in ${relative(process.cwd(), out)}\n`);

async function writeManifest(file: string, overlay: string): Promise<void> {
  const folder = join(scratch, overlay);
  mkdirSync(folder);
  const kustomization = {
    resources: [relative(folder, join(root, "config", overlay))],
    images: [{ name: "registryhub", newName: repository, newTag: version }],
  };
  writeFileSync(join(folder, "kustomization.yaml"), JSON.stringify(kustomization));
  const { kubectl } = await kubeBinaries(["kubectl"]);
  writeFileSync(join(out, file), await run(kubectl, ["kustomize", folder]));
}

/** What `helm package` makes, but with the commit's time instead of today's. */
async function writeChart(): Promise<void> {
  cpSync(join(root, "charts/registryhub"), join(scratch, "registryhub"), { recursive: true });
  cpSync(join(root, "LICENSE"), join(scratch, "registryhub/LICENSE"));
  const values = join(scratch, "registryhub/values.yaml");
  const line = "\n  repository: registryhub\n";
  const text = readFileSync(values, "utf8");
  if (!text.includes(line)) throw new Error(`${values}: there is no${line}`);
  writeFileSync(values, text.replace(line, `\n  repository: ${repository}\n`));
  const tar = join(scratch, "chart.tar");
  const same = [
    "--sort=name",
    "--format=ustar",
    "--owner=0",
    "--group=0",
    "--numeric-owner",
    "--mode=go=rX,u+rw,a-s",
  ];
  await run("tar", [...same, `--mtime=@${time}`, "-cf", tar, "-C", scratch, "registryhub"]);
  writeFileSync(join(out, `registryhub-${version}.tgz`), gzipSync(readFileSync(tar), { level: 9 }));
}

/** A package-lock.json as far as it matters here; the package "" is the whole. */
interface Lock {
  readonly packages: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** What the bundle is made of. Node and the libraries of the image are its base image's. */
async function writeSbom(): Promise<void> {
  const folder = join(scratch, "sbom/registryhub"); // npm calls the whole after its folder
  mkdirSync(folder, { recursive: true });
  const write = (file: string, content: object) => writeFileSync(join(folder, file), JSON.stringify(content));
  const read = (file: string): unknown => JSON.parse(readFileSync(join(root, file), "utf8"));
  // With --omit=dev npm also leaves out what something else of development needs, so it sees nothing of development.
  const lock = read("package-lock.json") as Lock;
  const shipped = Object.entries(lock.packages)
    .filter(([, { dev, optional, devOptional }]) => !dev && !optional && !devOptional)
    .map(([path, one]) => [path, path === "" ? withoutDevelopment(one) : one]);
  write("package-lock.json", { ...lock, packages: Object.fromEntries(shipped) });
  write("package.json", withoutDevelopment(read("package.json") as object));
  const args = ["sbom", "--sbom-format=cyclonedx", "--sbom-type=application", "--package-lock-only"];
  const text = await run("npm", args, { cwd: folder });
  const { serialNumber: _, ...sbom } = JSON.parse(text) as Readonly<
    Record<"metadata" | "serialNumber", object>
  >;
  const metadata = { ...sbom.metadata, timestamp: new Date(Number(time) * 1000).toISOString() };
  writeFileSync(join(out, "sbom.cdx.json"), `${JSON.stringify({ ...sbom, metadata }, undefined, 2)}\n`);
}

function withoutDevelopment(manifest: object): object {
  const development = ["devDependencies", "optionalDependencies", "overrides", "scripts"];
  return Object.fromEntries(Object.entries(manifest).filter(([key]) => !development.includes(key)));
}

async function writeImage(platform: string): Promise<void> {
  const env = {
    IMAGE: `${repository}:${version}`,
    PLATFORM: platform,
    ARCHIVE: join(out, `image-${platform.replaceAll("/", "-")}.tar`),
    SOURCE_DATE_EPOCH: time,
  };
  await run(process.execPath, [join(root, "scripts/image.ts")], { env });
}

function writeChecksums(): void {
  const sums = readdirSync(out)
    .filter((file) => join(out, file) !== checksums)
    .toSorted()
    .map(
      (file) =>
        `${createHash("sha256")
          .update(readFileSync(join(out, file)))
          .digest("hex")}  ${file}\n`,
    );
  writeFileSync(checksums, sums.join(""));
}
