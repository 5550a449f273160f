import type { Command } from "commander";
import { type Access, type AccessFlags, addAccessFlags, exitCodes, withAccess } from "../access.ts";
import { addOutputFlag, type Format, formatOf, textFor } from "../output.ts";
import { diagnosis } from "./checks.ts";
import { look } from "./read.ts";
import type { Sight } from "./sight.ts";
import { diagnosisLines } from "./view.ts";

const description = `Look for what keeps calls from hosts of hubs, or the operator from its work: the mesh's settings, Sidecars, DestinationRules and PeerAuthentications, addresses that clash, registries inside the mesh, the CRD, the rights and the leaders of the operator. Each finding says what is wrong, what was seen of it, and what to do; "FAQ 4.3" is the answer of the manual. With --pod: whether one consumer can reach the hosts, by name and by virtual IP.

It only lists and asks for rights of the operator, with your own rights, and says what it could not see; nothing is concluded from that. Pass the settings that the controllers have. Exit code 0: nothing is wrong; 1: something is; 2: a flag is wrong; 3: the cluster cannot be read.`;

/** What a command prints. */
interface Examined {
  readonly report: unknown;
  readonly lines: readonly string[];
  readonly isFine: boolean;
}

/** Adds `doctor` to the program. */
export function addDoctor(program: Command, env: NodeJS.ProcessEnv, ended: (exitCode: number) => void): void {
  const command = program
    .command("doctor")
    .summary("Look for what is wrong in the cluster around the operator.")
    .description(description)
    .option("--pod <namespace/name>", "Look at one consumer instead.");
  addOutputFlag(command);
  addAccessFlags(command, "doctor");
  command.action(async (flags: AccessFlags) => {
    ended(await withAccess(flags, env, (access) => doctor(formatOf(flags.output), access)));
  });
}

async function doctor(format: Format, access: Access): Promise<number> {
  const { report, lines, isFine } = examined(await look(access));
  process.stdout.write(textFor(format, report, lines));
  return isFine ? exitCodes.fine : exitCodes.found;
}

/** Examines the cluster. */
export function examined(sight: Sight, _pod?: string): Examined {
  const report = diagnosis(sight);
  const isFine = report.findings.every(({ severity }) => severity !== "fault");
  return { report, lines: diagnosisLines(report), isFine };
}
