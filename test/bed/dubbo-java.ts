import { archiveFlags } from "./class-archive.ts";
import { classPath, type JavaModule, javaFlags, systemProperties } from "./java.ts";
import { run } from "./run.ts";
import { temporaryFolder } from "./watchdog.ts";

/** 2.7 is 2.7.23, which registers interfaces; 3.3 is 3.3.6, which by default registers its application too. */
export type DubboVersion = "2.7" | "3.3";

/** The class path of each. */
export const dubboModules: Readonly<Record<DubboVersion, JavaModule>> = { "2.7": "dubbo", "3.3": "dubbo3" };

/** A program of a Dubbo module. */
export interface DubboProgram {
  readonly dubbo: DubboVersion;
  /** In the package `registryhub.bed`. */
  readonly mainClass: string;
  readonly properties: Readonly<Record<string, string | undefined>>;
  /** Whether its GreetingService has the method that `LaterMethod.java` adds. */
  readonly later: boolean;
}

// Dubbo uses reflection on these where JDK 17 needs to be asked.
const OPENED = ["java.base/java.lang", "java.base/java.math", "java.base/java.util"];

/** The arguments of `java` for a program that keeps its files in a folder; `archive` instead of the module's archive. */
export async function dubboArgs(
  { dubbo, mainClass, properties, later }: DubboProgram,
  archive?: readonly string[],
): Promise<(folder: string) => string[]> {
  const module = dubboModules[dubbo];
  // The archive is of another class path then, which the JVM says on stdout, where a consumer answers.
  const flags = later ? [] : (archive ?? (await archiveFlags(module)));
  const classes = await classPath(module);
  const allClasses = later ? `${await laterInterface(classes)}:${classes}` : classes;
  return (folder) => [
    ...javaFlags,
    ...flags,
    ...OPENED.flatMap((part) => ["--add-opens", `${part}=ALL-UNNAMED`]),
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dnacos.logging.default.config.enabled=false", // it would write log files
    `-Duser.home=${folder}`, // Dubbo keeps its cache files there
    ...systemProperties(properties),
    "-cp",
    allClasses,
    `registryhub.bed.${mainClass}`,
  ];
}

/** A folder with GreetingService and one method more, which goes with this process. */
async function laterInterface(classes: string): Promise<string> {
  const folder = temporaryFolder("later-interface").path;
  await run("java", [...javaFlags, "-cp", classes, "registryhub.bed.LaterMethod", folder]);
  return folder;
}
