import type { Command } from "commander";
import { vipPool } from "../../plan/vip.ts";
import { type Access, type AccessFlags, addAccessFlags, exitCodes, withAccess } from "../access.ts";
import { addOutputFlag, type Format, formatOf, textFor } from "../output.ts";
import { UsageError } from "../usage-error.ts";
import { addressReport } from "./address-report.ts";
import { hostReport, missingReport } from "./host-report.ts";
import { hubExplained, isHubFine } from "./hub-entries.ts";
import { candidatesFor, knownHubs } from "./hubs.ts";
import { type Objects, readObjects } from "./objects.ts";
import { subjectOf } from "./subject.ts";
import { addressLines, hostLines, hubExplainedLines } from "./view.ts";

const description = `Explain what becomes of one thing in the mesh. It may be a host, a service as its registry names it, a virtual IP, the address of a provider with or without its port, or a RegistryHub (name or namespace/name). Prints what is wrong, why and what to do, if something is; then which hubs vouch for it, its ServiceEntry, endpoints, EnvoyFilters, VirtualServices and DestinationRules, and who else has the host. The last line is the answer.

It only lists, with your rights, and says what it could not see. It reads no registry: \`preview --diff\` does. Pass the settings that the controllers have. Exit code 0: nothing is wrong; 1: something is; 2: a flag is wrong, or several hosts have the name; 3: the cluster cannot be read.`;

/** A report for a program, its lines for people, and whether nobody has to do anything. */
interface Explained {
  readonly report: unknown;
  readonly lines: readonly string[];
  readonly isFine: boolean;
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
  addOutputFlag(command);
  addAccessFlags(command, "explain");
  command.action(async (what: string, flags: AccessFlags) => {
    ended(await withAccess(flags, env, (access) => explain(what, formatOf(flags.output), access)));
  });
}

async function explain(what: string, format: Format, access: Access): Promise<number> {
  const objects = await readObjects(access);
  const { report, lines, isFine } = explained(what, objects, access, format === "wide");
  process.stdout.write(textFor(format, report, lines));
  return isFine ? exitCodes.fine : exitCodes.found;
}

/** Explains it from what was listed. @throws UsageError when several hosts have the name. */
export function explained(
  what: string,
  objects: Objects,
  { namespace, config, now }: Pick<Access, "namespace" | "config" | "now">,
  isWide: boolean,
): Explained {
  const { vipCidr, dubboPorts, rootNamespace } = config;
  const hubs = knownHubs(objects);
  const subject = subjectOf(what, namespace, objects, hubs);
  switch (subject.kind) {
    case "hub": {
      const report = hubExplained(subject.hub, objects);
      return { report, lines: hubExplainedLines(report, now, isWide), isFine: isHubFine(report) };
    }
    case "address": {
      const report = addressReport(subject.ip, subject.port, objects, hubs);
      return { report, lines: addressLines(report, isWide), isFine: report.findings.length === 0 };
    }
    case "hosts":
      throw new UsageError(
        `${subject.hosts.length} hosts have the name ${what}; explain one of them: ${subject.hosts.join(", ")}`,
      );
    case "host":
    case "missing": {
      const judging = { pool: vipPool(vipCidr), dubboPorts, rootNamespace };
      const report =
        subject.kind === "host"
          ? hostReport(subject.host, subject.found, objects, hubs, judging)
          : missingReport(subject.asked, objects, candidatesFor(hubs, subject.asked, namespace));
      return { report, lines: hostLines(report, isWide), isFine: report.findings.length === 0 };
    }
  }
}
