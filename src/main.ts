import { runProgram } from "./cli/program.ts";

// Beside this file, and beside the bundle that `make build` makes of it.
const page = new URL("./page/", import.meta.url);
const exitCode = await runProgram(process.argv.slice(2), process.env, page);
// A library's open handles must not keep a stopped controller alive.
process.exit(exitCode);
