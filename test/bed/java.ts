import { existsSync, readFileSync } from "node:fs";
import { cp, mkdir, readdir } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { pathToFileURL } from "node:url";
import { cacheKey, cacheRoot, fillCache } from "./cache.ts";
import { withProgress } from "./progress.ts";
import { run } from "./run.ts";
import { temporaryFolder } from "./watchdog.ts";

const SOURCES = new URL("java/", import.meta.url);

/** The modules below `java/`: the class paths the bed can run. */
export type JavaModule = "zookeeper" | "dubbo";

/** Small and quick to start: one compiler, no performance-data files in the system's temporary folder. */
export const javaFlags = [
  "-XX:TieredStopAtLevel=1",
  "-XX:+UseSerialGC",
  "-Xss512k",
  "-XX:-UsePerfData",
  "-Xmx128m",
] as const;

/** The class path of a module, for `java -cp`; built with Maven at the first use, and again when one of its jars is gone. */
export async function classPath(module: JavaModule): Promise<string> {
  const folder = join(cacheRoot(), `java-${module}-${await cacheKey(await filesOf(module))}`);
  await fillCache(folder, [
    {
      path: folder,
      isUsable: (path) => readClassPath(path).every((jar) => existsSync(jar)),
      build: (path) => build(module, path),
    },
  ]);
  return readClassPath(folder).join(delimiter);
}

/** What the build left in `folder`: the module's own jar, if it has one, before those in Maven's repository. */
function readClassPath(folder: string): string[] {
  const jars = readFileSync(join(folder, "cp.txt"), "utf8").trim().split(delimiter);
  const own = join(folder, "module.jar");
  return existsSync(own) ? [own, ...jars] : jars;
}

async function build(module: JavaModule, path: string): Promise<void> {
  await using folder = temporaryFolder("maven"); // Maven writes into the tree it builds
  await cp(SOURCES, folder.path, { recursive: true });
  await withProgress(`building the Java module ${module}`, () =>
    run("mvn", ["--batch-mode", "--quiet", "--projects", module, "package"], { cwd: folder.path }),
  );
  const target = join(folder.path, module, "target");
  await mkdir(path, { recursive: true });
  await cp(join(target, "cp.txt"), join(path, "cp.txt"));
  const jar = join(target, `${module}.jar`);
  if (existsSync(jar)) await cp(jar, join(path, "module.jar"));
}

async function filesOf(module: JavaModule): Promise<URL[]> {
  const entries = await readdir(new URL(module, SOURCES), { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return [new URL("pom.xml", SOURCES), ...paths.sort().map((path) => pathToFileURL(path))];
}
