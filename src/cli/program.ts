import { Command, CommanderError } from "commander";
import { addCompletion } from "./completion.ts";
import { addControllers } from "./controllers.ts";
import { addDoctor } from "./doctor/command.ts";
import { addEvents } from "./events/command.ts";
import { addExplain } from "./explain/command.ts";
import { addHold } from "./hold.ts";
import { addPreview } from "./preview.ts";
import { badUsage } from "./settings.ts";
import { addStatus } from "./status/command.ts";
import { addUninstall } from "./uninstall/command.ts";
import { version } from "./version.ts";

/**
 * Runs a command line, without the name of the program, to its end. Returns the exit code.
 * @param page the folder of the page's files.
 */
export async function runProgram(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  page: URL,
): Promise<number> {
  let exitCode = 0;
  const ended = (code: number): void => {
    exitCode = code;
  };
  const program = new Command("registryhub")
    .description(
      "Keeps Istio's ServiceEntries equal to the providers in ZooKeeper, Nacos, Eureka and Consul.",
    )
    .showHelpAfterError("(--help lists what there is)")
    .exitOverride();
  addControllers(program, env, page, ended);
  addPreview(program, env, ended);
  addStatus(program, env, ended);
  addExplain(program, env, ended);
  addEvents(program, env, ended);
  addDoctor(program, env, ended);
  addHold(program, env, ended);
  addUninstall(program, env, ended);
  addCompletion(program);
  program
    .command("version")
    .description("Print the version.")
    .action(() => {
      process.stdout.write(`registryhub ${version}\n`);
    });
  try {
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    ended(error.exitCode === 0 ? 0 : badUsage); // it has said why on stderr; 0 = it printed the help
  }
  return exitCode;
}
