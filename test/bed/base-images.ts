import { chmod, cp, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Buildah, openBuildah } from "./buildah.ts";
import { cacheKey, cacheRoot, fillCache } from "./cache.ts";
import { downloadDebs } from "./debian.ts";
import { withProgress } from "./progress.ts";
import { temporaryFolder } from "./watchdog.ts";

const ROOT = new URL("../../", import.meta.url);
const LOCK_FILE = new URL("package-lock.json", ROOT);

/** What the node binary is linked with. */
const LIBRARIES = ["libc6", "libstdc++6", "libgcc-s1"];

/**
 * Images that stand in for the two base images of the Dockerfile, which are in registries that a test should not need.
 *
 * `BASE` is like the distroless one: Debian's libraries, and the Node that runs the tests, as /nodejs/bin/node.
 * `BUILD_BASE` has a shell too, in /node_modules the packages that the bundle is made of, and an `npm` that can do
 * nothing but `ci`, for which there is nothing left to do.
 */
export const baseImages = {
  BASE: "localhost/registryhub-bed/base:1",
  BUILD_BASE: "localhost/registryhub-bed/build-base:1",
} as const;

const NPM = `#!/bin/sh
# Stands in for npm: what "npm ci" would install is in /node_modules.
[ "$1" = ci ]
`;

/** The folder of an image storage that has the two. Made the first time, and after each change of the lock file. */
export async function baseImageStorage(): Promise<string> {
  const key = await cacheKey([LOCK_FILE, new URL(import.meta.url)], [process.arch, process.version]);
  const path = join(cacheRoot(), `images-${key}`);
  const build = (to: string) => withProgress("making the base images", () => makeImages(to));
  await fillCache(path, [{ path, build }]);
  return path;
}

async function makeImages(storage: string): Promise<void> {
  await using buildah = await openBuildah({ path: storage });
  await make(buildah, baseImages.BASE, "scratch", async (root) => {
    await downloadDebs(LIBRARIES, root);
    await cp(process.execPath, join(root, "nodejs/bin/node"));
    await mkdir(join(root, "tmp"));
    await chmod(join(root, "tmp"), 0o1777);
  });
  await make(buildah, baseImages.BUILD_BASE, baseImages.BASE, async (root) => {
    await downloadDebs(["dash"], root);
    for (const name of await packagesOfBundle())
      await cp(fileURLToPath(new URL(name, ROOT)), join(root, name), { recursive: true, filter: isCode });
    const bin = join(root, "usr/local/bin");
    await mkdir(bin, { recursive: true });
    await symlink("/nodejs/bin/node", join(bin, "node"));
    await writeFile(join(bin, "npm"), NPM, { mode: 0o755 });
  });
}

/** Makes the image `name` of the image `from` and the files that `fill` puts into the folder it is given. */
async function make(
  buildah: Buildah,
  name: string,
  from: string,
  fill: (root: string) => Promise<void>,
): Promise<void> {
  await using folder = temporaryFolder("base-image");
  await fill(folder.path);
  const container = (await buildah.run(["from", "--pull=never", from])).trim();
  await buildah.run(["copy", container, folder.path, "/"]);
  await buildah.run(["commit", "--rm", container, name]);
}

/** Folders below the checkout's node_modules: the dependencies of the program, and esbuild with its binary. */
async function packagesOfBundle(): Promise<readonly string[]> {
  const { packages } = JSON.parse(await readFile(LOCK_FILE, "utf8")) as {
    readonly packages: Readonly<Record<string, { readonly dev?: boolean; readonly optional?: boolean }>>;
  };
  const dependencies = Object.entries(packages)
    .filter(([path, { dev, optional }]) => path !== "" && !dev && !optional)
    .map(([path]) => path);
  return [...dependencies, "node_modules/esbuild", "node_modules/@esbuild"];
}

/** A third of the files of packages is of no use to a bundler; their source maps are. */
function isCode(path: string): boolean {
  return !/\.(?:d\.[cm]?ts|md)$/.test(path);
}
