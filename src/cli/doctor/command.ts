import type { Command } from "commander";
import { KubeError } from "../../kube/errors.ts";
import { type Access, type AccessFlags, addAccessFlags, exitCodes, withAccess } from "../access.ts";
import { addOutputFlag, formatOf, textFor } from "../output.ts";
import { UsageError } from "../usage-error.ts";
import { diagnosis } from "./checks.ts";
import type { Finding } from "./finding.ts";
import { podReport } from "./pod.ts";
import { look } from "./read.ts";
import type { Sight } from "./sight.ts";
import { diagnosisLines, podLines } from "./view.ts";

const description = `Look for what keeps calls from hosts of hubs, or the operator from its work: the mesh's settings, Sidecars, DestinationRules and PeerAuthentications, addresses that clash, registries inside the mesh, the CRD, the rights and the leaders of the operator. Each finding says what is wrong, what was seen of it, and what to do; "FAQ 4.3" is the answer of the manual. With --pod: whether one consumer can reach the hosts, by name and by virtual IP.

It only lists and asks for rights of the operator, with your own rights, and says what it could not see; nothing is concluded from that. Pass the settings that the controllers have. Exit code 0: nothing is wrong; 1: something is; 2: a flag is wrong; 3: the cluster cannot be read.`;

interface DoctorFlags extends AccessFlags {
  readonly pod?: string;
}

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
  command.action(async (flags: DoctorFlags) => {
    ended(await withAccess(flags, env, (access) => doctor(flags, access)));
  });
}

async function doctor({ pod, output }: DoctorFlags, access: Access): Promise<number> {
  const named = pod?.includes("/") === false ? `${access.namespace}/${pod}` : pod;
  const format = formatOf(output);
  const examination = examined(await look(access), named, format === "wide");
  process.stdout.write(textFor(format, examination.report, examination.lines));
  return examination.isFine ? exitCodes.fine : exitCodes.found;
}

/**
 * Examines the cluster, or one pod of it. @param named "<namespace>/<name>". @throws UsageError when there is no such pod, and
 * KubeError when nobody can tell.
 */
export function examined(sight: Sight, named: string | undefined, isWide: boolean): Examined {
  if (named === undefined) {
    const report = diagnosis(sight);
    return { report, lines: diagnosisLines(report, isWide), isFine: isFine(report) };
  }
  const pod = sight.pods?.find(({ namespace, name }) => `${namespace}/${name}` === named);
  if (pod === undefined) {
    if (sight.pods === undefined)
      throw new KubeError({ status: 403, reason: "Forbidden", text: "pods: you may not list them" });
    throw new UsageError(`there is no pod ${named} that runs, or you may not see it`);
  }
  const report = podReport(pod, sight);
  return { report, lines: podLines(report), isFine: isFine(report) };
}

const isFine = ({ findings }: { readonly findings: readonly Finding[] }): boolean =>
  findings.every(({ severity }) => severity !== "fault");
