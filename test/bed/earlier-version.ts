import { cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheRoot, fillCache } from "./cache.ts";
import { withProgress } from "./progress.ts";
import { run } from "./run.ts";
import { temporaryFolder } from "./watchdog.ts";

/** The first version that meshes ran on. Whatever it made, today's version takes over. */
export const earlierCommit = "f76fa529ff7c0ec19d5d4ca04118c0075e60b131";

/** The last version that could only be installed by kustomize: before the chart and the files of a release. */
export const commitBeforeChart = "17edf51a58baa7c6f812ce835e6d35a9760a089e";

const checkout = fileURLToPath(new URL("../..", import.meta.url));
const git = (...args: string[]): Promise<string> => run("git", ["-C", checkout, ...args]);

/** A version of the operator as its users had it. */
export interface Version {
  /** The bundle. */
  readonly program: string;
  /** The checkout, or what is kept of it: `config` and `crds`. */
  readonly folder: string;
}

/** Whether this clone has the commit: a shallow one, or an archive of the sources, does not. */
export async function hasEarlierVersion(commit = earlierCommit): Promise<boolean> {
  return git("cat-file", "-e", `${commit}^{commit}`).then(
    () => true,
    () => false,
  );
}

/**
 * An earlier version, by default the first one, built from its own sources with its own lock file the first time (half a minute).
 *
 * @throws Error that says what is missing where this clone does not have the commit.
 */
export async function earlierVersion(commit = earlierCommit): Promise<Version> {
  const folder = join(cacheRoot(), `registryhub-${commit.slice(0, 12)}-node-${process.version}`);
  await fillCache(folder, [{ path: folder, build: (path) => build(path, commit) }]);
  return { program: join(folder, "registryhub.mjs"), folder };
}

async function build(path: string, commit: string): Promise<void> {
  if (!(await hasEarlierVersion(commit)))
    throw new Error(
      `the version to upgrade from, commit ${commit}, is not in ${checkout}: ` +
        "it needs a clone with its whole history (git fetch --unshallow)",
    );
  await using sources = temporaryFolder("earlier-version");
  const cwd = sources.path;
  const archive = join(cwd, "sources.tar");
  await git("archive", `--output=${archive}`, commit);
  await run("tar", ["-xf", archive], { cwd });
  await withProgress(`building registryhub ${commit.slice(0, 7)}`, async () => {
    await run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], { cwd });
    await run(process.execPath, ["scripts/build.ts"], { cwd });
  });
  await mkdir(path);
  await cp(join(cwd, "dist/registryhub.mjs"), join(path, "registryhub.mjs"));
  for (const kept of ["config", "crds"]) await cp(join(cwd, kept), join(path, kept), { recursive: true });
}
