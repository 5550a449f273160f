import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { canUnpackDebs, debianPackages, overUsr } from "./debian.ts";
import { run } from "./run.ts";
import { temporaryFolder } from "./watchdog.ts";

/** buildah, and the libraries of it that a small machine lacks. The others are Debian's own, from libc on. */
const PACKAGES = [
  "buildah",
  "libgpgme11",
  "libassuan0",
  "libgpg-error0",
  "libdevmapper1.02.1",
  "libseccomp2",
];

/** buildah with a storage of its own. Disposal removes it with every image that was built in it. */
export interface Buildah extends AsyncDisposable {
  /** Put before `$PATH`, it makes this one the `buildah` that a program finds. */
  readonly binFolder: string;
  /** What buildah printed. @throws Error with what it said on stderr. */
  run(args: readonly string[]): Promise<string>;
}

/** Where an image storage is, and the one below it whose images it has, too. */
export interface Storage {
  readonly path: string;
  readonly below?: string;
}

/** Whether this machine is a Debian on which this process may mount. */
export async function canBuildImages(): Promise<boolean> {
  const mayMount = run("unshare", ["--mount", "true"]).then(
    () => true,
    () => false,
  );
  return canUnpackDebs() && (await mayMount);
}

/**
 * Opens an image storage: an empty one, unless `storage` says otherwise. buildah comes from Debian's packages, unpacked
 * into the cache the first time; nothing is installed.
 *
 * @throws Error where that cannot be, see {@link canBuildImages}.
 */
export async function openBuildah(storage: Partial<Storage> = {}): Promise<Buildah> {
  if (!(await canBuildImages()))
    throw new Error("building an image here takes root, mount namespaces and apt-get");
  const tools = await buildahPackages();
  await using opening = new AsyncDisposableStack();
  const folder = opening.use(temporaryFolder("buildah"));
  const path = (name: string) => join(folder.path, name);
  const { path: graphRoot = path("storage"), below } = storage;
  const settings = [
    "[storage]",
    'driver = "overlay"',
    `graphroot = "${graphRoot}"`,
    `runroot = "${path("run")}"`,
    "[storage.options]",
    `additionalimagestores = [${below === undefined ? "" : `"${below}"`}]`,
  ];
  // In a mount namespace of its own: there its packages lie over /usr, and no mount outlives it, not even by kill -9.
  const script = [
    "#!/bin/sh -e",
    `[ -n "$OVER_USR" ] || OVER_USR=1 exec unshare --mount "$0" "$@"`,
    overUsr(tools),
    `export HOME='${folder.path}' TMPDIR='${folder.path}' BUILDAH_ISOLATION=chroot`,
    `export CONTAINERS_STORAGE_CONF='${path("storage.conf")}' CONTAINERS_CONF=/dev/null`,
    'CONTAINERS_REGISTRIES_CONF=/dev/null exec /usr/bin/buildah "$@"',
  ];
  const binFolder = path("bin");
  const program = join(binFolder, "buildah");
  await Promise.all([mkdir(binFolder), mkdir(path(".config/containers"), { recursive: true })]);
  await writeFile(path("storage.conf"), `${settings.join("\n")}\n`);
  await writeFile(path(".config/containers/policy.json"), '{"default":[{"type":"insecureAcceptAnything"}]}');
  await writeFile(program, `${script.join("\n")}\n`, { mode: 0o755 });
  const owned = opening.move();
  return {
    binFolder,
    run: (args) => run(program, args),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** The folder of buildah's packages: in the cache, where they are downloaded to the first time. */
export function buildahPackages(): Promise<string> {
  return debianPackages("buildah", PACKAGES);
}
