import type { Command } from "commander";
import { vipPool } from "../../plan/vip.ts";
import { openRegistry } from "../../registries/index.ts";
import { type Access, type AccessFlags, addAccessFlags, exitCodes, withAccess } from "../access.ts";
import { addOutputFlag, formatOf, textFor } from "../output.ts";
import { depsOf } from "../read-registry.ts";
import { UsageError } from "../usage-error.ts";
import { addressReport } from "./address-report.ts";
import { hostReport, missingReport } from "./host-report.ts";
import { hubExplained, isHubFine } from "./hub-entries.ts";
import { candidatesFor, hubsWith, knownHubs } from "./hubs.ts";
import { type Objects, readObjects } from "./objects.ts";
import { type ReadRegistries, registryReader } from "./registries.ts";
import type { HostReport } from "./report.ts";
import { subjectOf } from "./subject.ts";
import { addressLines, hostLines, hubExplainedLines } from "./view.ts";

const description = `Explain what becomes of one thing in the mesh. It may be a host, a service as its registry names it, a virtual IP, the address of a provider with or without its port, or a RegistryHub (name or namespace/name). Prints what is wrong, why and what to do, if something is; then which hubs vouch for it, its ServiceEntry, endpoints, EnvoyFilters, VirtualServices and DestinationRules, and who else has the host. The last line is the answer.

It only lists, with your rights, and says what it could not see. With --registry it also reads the registries of these hubs once, from where you are and with the Secrets that you may get, and compares. Pass the settings that the controllers have. Exit code 0: nothing is wrong; 1: something is; 2: a flag is wrong, or several hosts have the name; 3: the cluster cannot be read, or nothing is wrong as far as is known and a registry could not be read.`;

/** A report for a program, and its lines for people. */
interface Explained {
  readonly report: unknown;
  readonly lines: readonly string[];
  /** Nobody has to do anything, as far as is known. */
  readonly isFine: boolean;
  /** All was read that was asked for. */
  readonly isKnown: boolean;
}

interface ExplainFlags extends AccessFlags {
  readonly registry?: true;
}

/** Adds `explain` to the program. */
export function addExplain(
  program: Command,
  env: NodeJS.ProcessEnv,
  ended: (exitCode: number) => void,
): void {
  const command = program
    .command("explain")
    .argument("<what>", "A host, a service, an IP address with or without its port, or a RegistryHub.")
    .summary("Explain what becomes of a host, a service, an address or a hub.")
    .description(description);
  command.option(
    "--registry",
    "Read the registries of the hubs that may have it, and compare; of a host or a service.",
  );
  addOutputFlag(command);
  addAccessFlags(command, "explain");
  command.action(async (what: string, flags: ExplainFlags) => {
    ended(await withAccess(flags, env, (access) => explain(what, flags, access)));
  });
}

async function explain(what: string, flags: ExplainFlags, access: Access): Promise<number> {
  const format = formatOf(flags.output);
  const deps = { ...depsOf(access.config), openRegistry };
  const read = flags.registry ? registryReader(access, deps) : undefined;
  const objects = await readObjects(access);
  const { report, lines, isFine, isKnown } = await explained(what, objects, access, format === "wide", read);
  process.stdout.write(textFor(format, report, lines));
  if (!isFine) return exitCodes.found;
  return isKnown ? exitCodes.fine : exitCodes.unreadable;
}

/**
 * Explains it from what was listed. @param read undefined = no registry is to be read. @throws UsageError when several hosts have
 * the name, and when a registry cannot tell of it.
 */
export async function explained(
  what: string,
  objects: Objects,
  { namespace, config, now }: Pick<Access, "namespace" | "config" | "now">,
  isWide: boolean,
  read?: ReadRegistries,
): Promise<Explained> {
  const { vipCidr, dubboPorts, rootNamespace } = config;
  const hubs = knownHubs(objects);
  const subject = subjectOf(what, namespace, objects, hubs);
  if (read && (subject.kind === "hub" || subject.kind === "address"))
    throw new UsageError(
      `--registry compares a host or a service, and ${what} is ${subject.kind === "hub" ? "a RegistryHub: `preview --diff` compares all of it" : "an address: name a host that has it"}`,
    );
  switch (subject.kind) {
    case "hub": {
      const report = hubExplained(subject.hub, objects);
      const lines = hubExplainedLines(report, now, isWide);
      return { report, lines, isFine: isHubFine(report), isKnown: true };
    }
    case "address": {
      const report = addressReport(subject.ip, subject.port, objects, hubs);
      return {
        report,
        lines: addressLines(report, isWide),
        isFine: report.findings.length === 0,
        isKnown: true,
      };
    }
    case "hosts":
      throw new UsageError(
        `${subject.hosts.length} hosts have the name ${what}; explain one of them: ${subject.hosts.join(", ")}`,
      );
    case "host": {
      const { host, found } = subject;
      const judging = { pool: vipPool(vipCidr), dubboPorts, rootNamespace };
      const readings = await read?.(hubsWith(hubs, host, found), objects);
      return explainedHost(hostReport(host, found, objects, hubs, judging, readings), isWide);
    }
    case "missing": {
      const candidates = candidatesFor(hubs, subject.asked, namespace);
      const readings = await read?.(candidates, objects);
      return explainedHost(missingReport(subject.asked, objects, candidates, readings), isWide);
    }
  }
}

function explainedHost(report: HostReport, isWide: boolean): Explained {
  const isKnown = report.registries.every(({ unread }) => unread === "");
  return { report, lines: hostLines(report, isWide), isFine: report.findings.length === 0, isKnown };
}
