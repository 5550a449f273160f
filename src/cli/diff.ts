import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { yamlOf } from "../kube/manifests.ts";
import type { KubeObject } from "../model/kubernetes.ts";
import { annotations } from "../model/labels.ts";
import type { Change } from "./cluster-copy.ts";

/** The cluster is unreadable, or the diff program does not work. The message says what to do. */
export class DiffError extends Error {
  override readonly name = "DiffError";
}

/**
 * Prints the changes as `kubectl diff` does: writes both sides as files below `cluster/` and `hub/` and runs
 * `program`, which writes to this process's stdout. @throws DiffError.
 */
export async function printDiff(changes: readonly Change[], program: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "registryhub-diff-"));
  try {
    await Promise.all(["cluster", "hub"].map((side) => mkdir(join(folder, side))));
    for (const change of changes) {
      const [before, after] = textsOf(change);
      await write(join(folder, "cluster"), change.before, before);
      await write(join(folder, "hub"), change.after, after);
    }
    await compare(program, folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function write(folder: string, object: KubeObject | undefined, text: string): Promise<void> {
  if (object === undefined) return;
  const { namespace = "", name } = object.metadata;
  const path = join(folder, object.kind ?? "", namespace, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}

async function compare(program: string, cwd: string): Promise<void> {
  const [command = "", ...args] = program.split(" ").filter((word) => word !== "");
  const advice = "install diffutils, or set KUBECTL_EXTERNAL_DIFF to another program";
  const child = spawn(command, [...args, "cluster", "hub"], { cwd, stdio: ["ignore", "inherit", "inherit"] });
  try {
    const [code] = (await once(child, "close")) as [number | null];
    if (code !== 0 && code !== 1) throw new DiffError(`${program} failed; ${advice}`);
  } catch (cause) {
    if (cause instanceof DiffError) throw cause;
    throw new DiffError(`${program} cannot be run: ${(cause as Error).message}; ${advice}`, { cause });
  }
}

/**
 * Both sides as YAML. Our hash only says that there is a difference, so it is shown only if it is the only
 * difference.
 */
function textsOf({ before, after }: Change): readonly [string, string] {
  const texts = (hidden: string | undefined): [string, string] => [
    textOf(before, hidden),
    textOf(after, hidden),
  ];
  const [one, other] = texts(annotations.lastApplied);
  return one === other ? texts(undefined) : [one, other];
}

/** The object without the fields that only the API server sets. */
function textOf(object: (KubeObject & { readonly spec?: unknown }) | undefined, hidden?: string): string {
  if (object === undefined) return "";
  const { apiVersion, kind, metadata, spec } = object;
  const { name, namespace, labels = {}, annotations: notes = {} } = metadata;
  const shown = Object.fromEntries(Object.entries(notes).filter(([key]) => key !== hidden));
  return yamlOf(
    { apiVersion, kind, metadata: { name, namespace, labels, annotations: shown }, spec },
    { sortKeys: true },
  );
}
