import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { withLock } from "./lock.ts";

/** Where everything the bed built or downloaded is kept: `$REGISTRYHUB_BED_CACHE`, else below `$XDG_CACHE_HOME`. */
export function cacheRoot(): string {
  const { REGISTRYHUB_BED_CACHE, XDG_CACHE_HOME } = process.env;
  return REGISTRYHUB_BED_CACHE || join(XDG_CACHE_HOME || join(homedir(), ".cache"), "registryhub-bed");
}

/** Twelve hex digits that change when one of the files or texts does. */
export async function cacheKey(files: readonly URL[], texts: readonly string[] = []): Promise<string> {
  const hash = createHash("sha256").update(texts.join("\n"));
  for (const file of files) hash.update(await readFile(file));
  return hash.digest("hex").slice(0, 12);
}

/** Something in the cache: a file or a folder that is there whole or not at all. */
export interface Cached {
  readonly path: string;
  /** Makes it at the temporary path it is given. */
  readonly build: (temporaryPath: string) => Promise<void>;
  /** Whether what is there can still be used. Default: yes. */
  readonly isUsable?: (path: string) => boolean;
}

/**
 * Builds the items that are missing, one after the other and in one process only. Each is kept as soon as it is done.
 *
 * `scratch` is a folder the builds share; it is removed after the last one and stays when they are interrupted.
 */
export async function fillCache(folder: string, items: readonly Cached[], scratch?: string): Promise<void> {
  if (items.every(isPresent)) return;
  await mkdir(dirname(folder), { recursive: true });
  await withLock(folder, async () => {
    for (const item of items.filter((each) => !isPresent(each))) await buildItem(item);
    if (scratch !== undefined) await rm(scratch, { recursive: true, force: true });
  });
}

function isPresent({ path, isUsable = () => true }: Cached): boolean {
  return existsSync(path) && isUsable(path);
}

async function buildItem({ path, build }: Cached): Promise<void> {
  const temporaryPath = `${path}.partial`;
  await rm(temporaryPath, { recursive: true, force: true });
  await mkdir(dirname(path), { recursive: true });
  await build(temporaryPath);
  await rm(path, { recursive: true, force: true });
  await rename(temporaryPath, path);
}
