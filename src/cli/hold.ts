import type { Command } from "commander";
import { objectPath, resources } from "../kube/resources.ts";
import type { Stored } from "../model/kubernetes.ts";
import { annotations } from "../model/labels.ts";
import type { RegistryHub } from "../model/registryhub.ts";
import { type Access, type AccessFlags, addAccessFlags, exitCodes, withAccess } from "./access.ts";
import { hubNamed } from "./hubs.ts";
import { textFor } from "./output.ts";
import { heldWhat, hubKeyOf, hubReport } from "./status/hub-report.ts";

const description = `Let the operator remove what it withholds for a hub: the services that the brake or a reset of the registry keeps until now (docs/operations.md, "When removals are held"). It sets the annotation ${annotations.releaseHold} to the end of this hold, so that what is lost later is held again.

Exit code 0: released, now or before; 1: nothing is held, or it cannot be released; 2: the hub or a flag is wrong; 3: the cluster cannot be read or written.`;

/** What becomes of a wish to release. */
interface Verdict {
  /** The value of the annotation; absent = nothing is written. */
  readonly until?: string;
  /** For the person. */
  readonly lines: readonly string[];
  readonly exitCode: number;
}

/** Adds `hold release` to the program. */
export function addHold(program: Command, env: NodeJS.ProcessEnv, ended: (exitCode: number) => void): void {
  const hold = program.command("hold").summary("Release removals that are held.");
  const release = hold
    .command("release")
    .argument("<hub>", "A RegistryHub, as name or namespace/name.")
    .summary("Let the operator remove what it withholds for a hub.")
    .description(description);
  addAccessFlags(release, "hold");
  release.action(async (hub: string, flags: AccessFlags) => {
    ended(
      await withAccess(flags, env, async (access) => {
        const { lines, exitCode } = await releaseHold(hub, access);
        process.stdout.write(textFor("text", lines, lines));
        return exitCode;
      }),
    );
  });
}

/** Decides what to do about the hold of a hub. */
function verdictOn(object: Stored<RegistryHub>): Verdict {
  const report = hubReport(object);
  const { held } = report;
  const hub = `RegistryHub ${hubKeyOf(report)}`;
  if (held === undefined)
    return {
      lines: [`nothing is held for ${hub}, so there is nothing to release`],
      exitCode: exitCodes.found,
    };
  if (held.isReleased)
    return {
      lines: [
        `somebody has released it already: ${heldWhat(held)} of ${hub}; the operator removes it within seconds`,
      ],
      exitCode: exitCodes.fine,
    };
  if (held.release === "")
    return {
      lines: [
        `${hub} is settling: what its registry may only have forgotten for a moment stays until ${held.until}`,
        "That ends by itself, and cannot be released.",
      ],
      exitCode: exitCodes.found,
    };
  return {
    until: held.until,
    lines: [
      `released ${heldWhat(held)} of ${hub}: ${held.reason}, which was to end at ${held.until}`,
      "The operator removes what the registry still does not list within seconds; what is lost from now on is held anew.",
    ],
    exitCode: exitCodes.fine,
  };
}

/** Does what `verdictOn` decides. @throws UsageError without such a hub; KubeError. */
export async function releaseHold(
  named: string,
  access: Access,
): Promise<Pick<Verdict, "lines" | "exitCode">> {
  const object = await hubNamed(access, named);
  const { until, lines, exitCode } = verdictOn(object);
  if (until !== undefined)
    await access.client.request({
      method: "PATCH",
      path: objectPath(resources.registryHubs, object.metadata),
      query: { fieldManager: "kubectl-registryhub" },
      // The uid: a hub of this name that somebody made meanwhile has other holds.
      body: { metadata: { uid: object.metadata.uid, annotations: { [annotations.releaseHold]: until } } },
      contentType: "application/merge-patch+json",
      signal: access.signal,
    });
  return { lines, exitCode };
}
