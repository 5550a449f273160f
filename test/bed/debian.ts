import { existsSync } from "node:fs";
import { cp, mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { cacheKey, cacheRoot, fillCache } from "./cache.ts";
import { withProgress } from "./progress.ts";
import { run } from "./run.ts";
import { temporaryFolder } from "./watchdog.ts";

/** Whether this machine is a Debian. */
export const canUnpackDebs = (): boolean => existsSync("/usr/bin/apt-get");

/**
 * The folder of these packages of the Debian that runs here, without what they depend on: in the cache, where they are
 * downloaded to the first time. Nothing is installed: mounted over /usr, see {@link overUsr}, they can be run.
 * @param libraries whether the libraries are there that they need, but those of the C and C++ runtimes.
 */
export async function debianPackages(
  name: string,
  packages: readonly string[],
  { libraries = false } = {},
): Promise<string> {
  const path = join(cacheRoot(), `${name}-${await cacheKey([], [process.arch, ...packages])}`);
  const build = (to: string) =>
    withProgress(`downloading ${name}`, async () => {
      await unpack(packages, to);
      if (libraries) await unpack(await librariesOf(packages), to);
    });
  await fillCache(path, [{ path, build }]);
  return path;
}

/** The shell command that lays a folder of packages over /usr; for a mount namespace, which takes the mount with it. */
export function overUsr(folder: string): string {
  return `mount -t overlay -o 'lowerdir=${folder}/usr:/usr' packages /usr`;
}

/** The packages of libraries that these need, directly or not; by the lists of packages of this machine. */
async function librariesOf(packages: readonly string[]): Promise<readonly string[]> {
  const others = ["recommends", "suggests", "conflicts", "breaks", "replaces", "enhances"];
  const lines = await run("apt-cache", [
    "depends",
    "--recurse",
    ...others.map((kind) => `--no-${kind}`),
    ...packages,
  ]);
  const names = lines.split("\n").filter((line) => /^lib[^:]*$/.test(line));
  return [...new Set(names)].filter((name) => !/^lib(c6|gcc-s1|stdc\+\+6|crypt1)$/.test(name));
}

async function unpack(packages: readonly string[], folder: string): Promise<void> {
  await downloadDebs(packages, folder);
  // Some packages still say /lib, which on the machine is a link to /usr/lib.
  for (const part of await readdir(folder))
    if (["bin", "lib", "sbin"].includes(part))
      await cp(join(folder, part), join(folder, "usr", part), { recursive: true, verbatimSymlinks: true });
}

/** Unpacks packages of the Debian that runs here into `folder`, without what they depend on; nothing is installed. */
export async function downloadDebs(packages: readonly string[], folder: string): Promise<void> {
  await using downloads = temporaryFolder("debs");
  const download = () => run("apt-get", ["download", ...packages], { cwd: downloads.path });
  // Without lists of packages, or with old ones, it finds nothing.
  await download().catch(async () => {
    await run("apt-get", ["update"]);
    await download();
  });
  await mkdir(folder, { recursive: true });
  for (const file of await readdir(downloads.path))
    await run("dpkg-deb", ["--extract", join(downloads.path, file), folder]);
}
