import type { Command } from "commander";
import { objectKey } from "../../kube/resources.ts";
import { systemClock } from "../../runtime/clock.ts";
import { type Access, type AccessFlags, addAccessFlags, exitCodes, say, withAccess } from "../access.ts";
import { addOutputFlag, formatOf, textFor } from "../output.ts";
import { UsageError } from "../usage-error.ts";
import { carryOut, type Hands, refusalsOf } from "./carry-out.ts";
import { type UninstallPlan, uninstallPlan } from "./plan.ts";
import { lookForOurs } from "./read.ts";
import { lastSteps, planLines, remainingLines } from "./view.ts";

const description = `Delete everything that the operator has made in the cluster: all RegistryHubs, then its ServiceEntries and DestinationRules, then its EnvoyFilters, then Leases that nobody holds. The order is right whether the operator runs or not. An object counts as the operator's if it has its label and the API server says that the operator wrote it. Deployments, rights and the CRD stay: they are deleted as they were installed.

Say --dry-run to see it, and --yes to do it. Nothing is deleted unless everything may be. Exit code 0: nothing is left; 1: there is something to delete, or it could not be deleted; 2: a flag is wrong; 3: the cluster cannot be read, or a right is missing.`;

interface UninstallFlags extends AccessFlags {
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

/** Adds `uninstall` to the program. */
export function addUninstall(
  program: Command,
  env: NodeJS.ProcessEnv,
  ended: (exitCode: number) => void,
): void {
  const command = program
    .command("uninstall")
    .summary("Delete everything that the operator has made in the cluster.")
    .description(description)
    .option("--dry-run", "Only print what would be deleted.")
    .option("--yes", "Delete it.");
  addOutputFlag(command);
  addAccessFlags(command, "uninstall");
  command.action(async (flags: UninstallFlags) => {
    ended(await withAccess(flags, env, (access) => uninstall(flags, access)));
  });
}

async function uninstall(
  { dryRun = false, yes = false, output }: UninstallFlags,
  access: Access,
): Promise<number> {
  if (dryRun === yes)
    throw new UsageError("say --dry-run to see what would be deleted, or --yes to delete it");
  const { client, config, now, signal } = access;
  const look = async (): Promise<{ plan: UninstallPlan; unseen: readonly string[] }> => {
    const { found, unseen } = await lookForOurs(client, config);
    return { plan: uninstallPlan(found, config.rootNamespace, now), unseen };
  };
  const { plan, unseen } = await look();
  const format = formatOf(output);
  process.stdout.write(textFor(format, reportOf(plan, unseen), planLines(plan, unseen, format === "wide")));
  const isNothing = plan.steps.every(({ objects }) => objects.length === 0);
  if (isNothing && unseen.length === 0) return exitCodes.fine;
  if (dryRun) return exitCodes.found;
  if (unseen.length > 0) {
    say(
      "nothing is deleted: what cannot be seen would stay behind; ask for the right to list it in all namespaces",
    );
    return exitCodes.unreadable;
  }
  const hands: Hands = {
    client,
    clock: systemClock,
    signal,
    look: async () => (await look()).plan,
    tell: say,
  };
  const refusals = await refusalsOf(plan, hands);
  if (refusals.length > 0) {
    say("nothing is deleted, because not everything may be:");
    for (const { message } of refusals) say(`  ${message}`);
    return exitCodes.unreadable;
  }
  const remaining = await carryOut(plan, hands);
  for (const line of remaining.length > 0 ? remainingLines(remaining) : lastSteps) say(line);
  return remaining.length > 0 ? exitCodes.found : exitCodes.fine;
}

/** The plan as data, with names in the place of objects. */
function reportOf({ steps, left, running, endpoints }: UninstallPlan, unseen: readonly string[]) {
  const deleted = steps.map(({ resource, objects }) => ({
    kind: resource.kind,
    objects: objects.map(objectKey),
  }));
  return { deleted, left, running, endpoints, unseen };
}
