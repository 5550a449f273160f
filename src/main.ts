import { runProgram } from "./cli/program.ts";

const exitCode = await runProgram(process.argv.slice(2), process.env);
// Whatever a library may still hold open must not keep a stopped controller alive.
process.exit(exitCode);
