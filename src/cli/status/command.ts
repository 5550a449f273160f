import type { Command } from "commander";
import { resources } from "../../kube/resources.ts";
import type { Stored } from "../../model/kubernetes.ts";
import type { RegistryHub } from "../../model/registryhub.ts";
import { type Access, type AccessFlags, addAccessFlags, exitCodes, say, withAccess } from "../access.ts";
import { hubNamed } from "../hubs.ts";
import { listAll } from "../list-all.ts";
import { addOutputFlag, type Format, formatOf, textFor } from "../output.ts";
import { type HubReport, hubReport, isFine } from "./hub-report.ts";
import { hubLines, tableLines } from "./view.ts";

const description = `Print what RegistryHubs are doing. With a hub: what is wrong, why and what to do; then what is held and until when, the last write, and every problem with its next step. Without one: a table of the hubs of the namespace, or with -A of all.

It only reads hubs. Exit code 0: every hub is Ready and holds nothing; 1: one is not, or does; 2: the hub or a flag is wrong; 3: the cluster cannot be read.`;

/** Adds `status` to the program. */
export function addStatus(program: Command, env: NodeJS.ProcessEnv, ended: (exitCode: number) => void): void {
  const command = program
    .command("status")
    .argument("[hub]", "A RegistryHub, as name or namespace/name.")
    .summary("Print what RegistryHubs are doing, and what to do about it.")
    .description(description)
    .option("-A, --all-namespaces", "The hubs of all namespaces.");
  addOutputFlag(command);
  addAccessFlags(command, "status");
  command.action(async (hub: string | undefined, flags: AccessFlags) => {
    ended(await withAccess(flags, env, (access) => status(hub, flags, access)));
  });
}

async function status(
  named: string | undefined,
  { output, allNamespaces = false }: AccessFlags,
  access: Access,
): Promise<number> {
  const format = formatOf(output);
  const reports =
    named === undefined ? await reportsOf(access, allNamespaces) : [hubReport(await hubNamed(access, named))];
  if (reports.length === 0 && format !== "json" && format !== "yaml")
    say(
      `there is no RegistryHub${allNamespaces ? "" : ` in namespace ${access.namespace}; -A looks at all`}`,
    );
  else process.stdout.write(statusText(reports, format, access.now, named === undefined, allNamespaces));
  return reports.every(isFine) ? exitCodes.fine : exitCodes.found;
}

async function reportsOf(access: Access, allNamespaces: boolean): Promise<readonly HubReport[]> {
  const { client, namespace } = access;
  const { registryHubs } = resources;
  const where = allNamespaces ? {} : { namespace };
  const hubs = await listAll<Stored<RegistryHub>>(client, registryHubs, where);
  return hubs.map(hubReport);
}

function statusText(
  reports: readonly HubReport[],
  format: Format,
  now: number,
  isTable: boolean,
  withNamespaces: boolean,
): string {
  const [first] = reports;
  if (!isTable && first) return textFor(format, first, hubLines(first, now));
  const lines =
    reports.length === 0 ? [] : tableLines(reports, now, { isWide: format === "wide", withNamespaces });
  return textFor(format, { items: reports }, lines);
}
