import { Command } from "commander";
import { addControllers } from "./cli/controllers.ts";
import { addPreview } from "./cli/preview.ts";
import { version } from "./cli/version.ts";

const program = new Command("registryhub")
  .description(
    "Keeps Istio ServiceEntries in sync with the providers in ZooKeeper, Nacos, Eureka and Consul.",
  )
  .showHelpAfterError("(--help lists the commands and flags)");
addControllers(program, process.env);
addPreview(program, process.env);
program
  .command("version")
  .description("Print the version.")
  .action(() => {
    process.stdout.write(`registryhub ${version}\n`);
  });

await program.parseAsync();
// A library's open handles must not keep a stopped controller alive.
process.exit();
