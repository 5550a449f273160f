import { runProgram } from "./cli/program.ts";

const exitCode = await runProgram(process.argv.slice(2), process.env);
// A library's open handles must not keep a stopped controller alive.
process.exit(exitCode);
