/**
 * Builds the image with the first of docker, podman and buildah that works on this machine.
 *
 *   node scripts/image.ts
 *
 * Environment: IMAGE (name:tag; default registryhub:<version>), BUILDER (one of the three, and no other), ARCHIVE (a file for
 * `docker load` and the like to write as well), SOURCE_DATE_EPOCH (the time that everything in the image has), and, where the
 * defaults of the Dockerfile will not do, BUILD_BASE, BASE (images) and PLATFORM (e.g. linux/arm64). Empty = not given.
 */
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { version } from "../src/cli/version.ts";

/** A builder, and the command that fails where it is installed and cannot work: a client without its daemon. */
const builders: Readonly<Record<string, readonly string[]>> = {
  docker: ["version"],
  podman: ["info"],
  buildah: ["info"],
};

const machinePlatform = `linux/${process.arch === "x64" ? "amd64" : process.arch}`;
const root = fileURLToPath(new URL("..", import.meta.url));
const { IMAGE, BUILDER, BUILD_BASE, BASE, PLATFORM, ARCHIVE, SOURCE_DATE_EPOCH } = process.env;

function fail(message: string): never {
  process.stderr.write(`image: ${message}\n`);
  process.exit(1);
}

/** Why a builder cannot be used; undefined = it can. */
function obstacle(builder: string): string | undefined {
  const { error, status, stdout, stderr } = spawnSync(builder, builders[builder] ?? [], { encoding: "utf8" });
  if (error) return (error as NodeJS.ErrnoException).code === "ENOENT" ? "not installed" : error.message;
  return status === 0 ? undefined : (stderr.trim() || stdout.trim()).split("\n").at(-1);
}

function findBuilder(candidates: readonly string[]): string {
  const obstacles: string[] = [];
  for (const builder of candidates) {
    const why = obstacle(builder);
    if (why === undefined) return builder;
    obstacles.push(`\n  ${builder}: ${why}`);
  }
  return fail(`needs docker, podman or buildah, and none works here${obstacles.join("")}`);
}

/** The labels that only the checkout knows. Without git, or outside of a clone, the image has no revision. */
function labels(): readonly string[] {
  const revision = spawnSync("git", ["rev-parse", "HEAD"], { cwd: root, encoding: "utf8" });
  return [
    `--label=org.opencontainers.image.version=${version}`,
    ...(revision.status === 0 ? [`--label=org.opencontainers.image.revision=${revision.stdout.trim()}`] : []),
  ];
}

/** Everything that is built has one time, so that the same sources make the same layers. */
function timeOf(builder: string, seconds: string): string {
  return builder === "docker" ? `--build-arg=SOURCE_DATE_EPOCH=${seconds}` : `--timestamp=${seconds}`;
}

/** The command that writes the image into an archive that all three, containerd and kind can load. */
function archiving(builder: string, image: string, path: string): readonly string[] {
  if (builder === "buildah") return ["push", image, `docker-archive:${path}:${image}`];
  return ["save", ...(builder === "podman" ? ["--format=docker-archive"] : []), `--output=${path}`, image];
}

if (BUILDER && !Object.hasOwn(builders, BUILDER))
  fail(`BUILDER must be docker, podman or buildah, not "${BUILDER}"`);
const builder = findBuilder(BUILDER ? [BUILDER] : Object.keys(builders));
const image = IMAGE || `registryhub:${version}`;
const options = [
  `--tag=${image}`,
  ...(BUILD_BASE ? [`--build-arg=BUILD_BASE=${BUILD_BASE}`] : []),
  ...(BASE ? [`--build-arg=BASE=${BASE}`] : []),
  ...(PLATFORM ? [`--platform=${PLATFORM}`] : []),
  // Docker knows it by itself; some versions of the two others do not.
  ...(builder === "docker" ? [] : [`--build-arg=BUILDPLATFORM=${machinePlatform}`]),
  ...(SOURCE_DATE_EPOCH ? [timeOf(builder, SOURCE_DATE_EPOCH)] : []),
  ...labels(),
];
const run = (args: readonly string[]): boolean =>
  spawnSync(builder, args, { cwd: root, stdio: "inherit" }).status === 0;
if (!run(["build", ...options, "."])) fail(`${builder} could not build ${image}`);
process.stderr.write(`image: ${builder} built ${image}\n`);
if (ARCHIVE) {
  rmSync(ARCHIVE, { force: true });
  if (!run(archiving(builder, image, ARCHIVE))) fail(`${builder} could not write ${ARCHIVE}`);
}
