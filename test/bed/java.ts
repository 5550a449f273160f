import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { cp, mkdir, readdir, readFile } from "node:fs/promises";
import { basename, delimiter, join } from "node:path";
import { pathToFileURL } from "node:url";
import { cacheKey, cacheRoot, fillCache } from "./cache.ts";
import { withProgress } from "./progress.ts";
import { run } from "./run.ts";
import type { ServerProcess } from "./server-process.ts";
import { temporaryFolder } from "./watchdog.ts";

const SOURCES = new URL("java/", import.meta.url);

/** The modules below `java/`: the class paths the bed can run. */
export type JavaModule =
  | "zookeeper"
  | "zookeeper34"
  | "zookeeper38"
  | "dubbo"
  | "dubbo3"
  | "nacos2"
  | "nacos3"
  | "nacos-agent"
  | "spring-nacos"
  | "spring-eureka"
  | "spring-consul"
  | "eureka";

/** Modules that are compiled from other folders' sources too; `calls` is no module but what all consumers share. */
const SOURCES_OF: Partial<Record<JavaModule, readonly string[]>> = {
  dubbo: ["calls"],
  dubbo3: ["dubbo/src", "calls"],
  "spring-nacos": ["calls"],
  "spring-eureka": ["spring-nacos/src", "calls"],
  "spring-consul": ["spring-nacos/src", "calls"],
};

/** In a module's folder: a line for each jar that must be the one we know, as `sha256sum` writes it. */
const DIGESTS = "jars.sha256";

/** Small and quick to start: one compiler, no performance-data files in the system's temporary folder. */
export const javaFlags = [
  "-XX:TieredStopAtLevel=1",
  "-XX:+UseSerialGC",
  "-Xss512k",
  "-XX:-UsePerfData",
  "-Xmx128m",
] as const;

/** The flags for system properties; those that are undefined are left out. */
export function systemProperties(properties: Readonly<Record<string, string | undefined>>): string[] {
  return Object.entries(properties).flatMap(([name, value]) =>
    value === undefined ? [] : [`-D${name}=${value}`],
  );
}

/** Whether a server's program has said that it is this process that has its ports: a stranger may listen there. */
export function saysReady({ pid, readLog }: ServerProcess): boolean {
  return new RegExp(`^READY ${pid}$`, "m").test(readLog());
}

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
    run("mvn", ["--batch-mode", "--quiet", "--file", join(module, "pom.xml"), "package"], {
      cwd: folder.path,
    }),
  );
  const target = join(folder.path, module, "target");
  await mkdir(path, { recursive: true });
  await cp(join(target, "cp.txt"), join(path, "cp.txt"));
  await verifyJars(join(folder.path, module, DIGESTS), readClassPath(path));
  const jar = join(target, `${module}.jar`);
  if (existsSync(jar)) await cp(jar, join(path, "module.jar"));
}

/** @throws Error naming a jar that `digests`, where there is such a file, knows with another content. */
async function verifyJars(digests: string, jars: readonly string[]): Promise<void> {
  if (!existsSync(digests)) return;
  for (const line of (await readFile(digests, "utf8")).trim().split("\n")) {
    const [digest, name] = line.split(/ +/) as [string, string];
    const jar = jars.find((path) => basename(path) === name);
    if (jar === undefined) throw new Error(`${name} is not on the class path, but in ${DIGESTS}`);
    const found = createHash("sha256")
      .update(await readFile(jar))
      .digest("hex");
    if (found !== digest)
      throw new Error(`${jar} is not the jar we know: its SHA-256 is ${found}, and in ${DIGESTS} ${digest}`);
  }
}

async function filesOf(module: JavaModule): Promise<URL[]> {
  const folders = [module, ...(SOURCES_OF[module] ?? [])];
  const paths = await Promise.all(folders.map(filesBelow));
  return [new URL("pom.xml", SOURCES), ...paths.flat().map((path) => pathToFileURL(path))];
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(new URL(folder, SOURCES), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return files.map((entry) => join(entry.parentPath, entry.name)).sort();
}
