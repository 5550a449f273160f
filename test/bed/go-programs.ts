import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheKey, cacheRoot, fillCache } from "./cache.ts";
import { withProgress } from "./progress.ts";
import { run } from "./run.ts";

/** A Go module of the bed: its go.mod and go.sum say which versions its programs are built of. */
export interface GoModule<P extends string> {
  /** What its folder in the cache is called. */
  readonly name: string;
  /** Where go.mod and go.sum are; ends with "/". */
  readonly folder: URL;
  /** The packages of its programs. */
  readonly packages: Readonly<Record<P, string>>;
  /** What `withProgress` calls a program. */
  readonly title: (program: P) => string | Promise<string>;
  /** What the linker stamps into them, besides leaving out what only debuggers need. */
  readonly stamps?: () => string[] | Promise<string[]>;
  readonly tags?: readonly string[];
  /** What else has to be built anew when it changes, besides what go.mod and go.sum say. */
  readonly key?: readonly string[];
}

/** Paths of the programs, in the cache; those that are missing are built first (minutes, once). */
export async function goPrograms<P extends string>(
  module: GoModule<P>,
  programs: readonly P[],
): Promise<Record<P, string>> {
  const files = ["go.mod", "go.sum"].map((name) => new URL(name, module.folder));
  const folder = join(cacheRoot(), `${module.name}-${await cacheKey(files, module.key)}`);
  const buildCache = `${folder}-go-build`; // gigabytes that the builds share; a build that was killed goes on with it
  const paths = programs.map((program) => [program, join(folder, program)] as const);
  const items = paths.map(([program, path]) => ({
    path,
    build: (to: string) => buildProgram(module, program, to, buildCache),
  }));
  await fillCache(folder, items, buildCache);
  return Object.fromEntries(paths) as Record<P, string>;
}

async function buildProgram<P extends string>(
  module: GoModule<P>,
  program: P,
  path: string,
  buildCache: string,
): Promise<void> {
  const { folder, packages, stamps = () => [], tags = [] } = module;
  const flags = [`-tags=${tags.join(",")}`, "-ldflags", linkerFlags(await stamps())];
  await withProgress(`building ${await module.title(program)}`, () =>
    buildGo(folder, packages[program], path, buildCache, flags),
  );
}

/** For `-ldflags`: sets these variables (`<package>.<name>=<value>`), and leaves out what only debuggers need. */
export function linkerFlags(stamps: readonly string[] = []): string {
  return ["-s", "-w", ...stamps.map((stamp) => `-X ${stamp}`)].join(" ");
}

/** `go build` of a package of the module in `folder`, as go.mod pins it, without C. */
export async function buildGo(
  folder: URL,
  packageName: string,
  path: string,
  buildCache: string,
  flags: readonly string[],
): Promise<void> {
  await run("go", ["build", "-mod=readonly", "-trimpath", ...flags, "-o", path, packageName], {
    cwd: fileURLToPath(folder),
    env: { CGO_ENABLED: "0", GOCACHE: buildCache, GOWORK: "off" },
  });
}
