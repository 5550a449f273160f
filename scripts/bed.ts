/**
 * The test bed by hand.
 *
 *   node scripts/bed.ts prepare [name ...]   builds or downloads what is missing (all of it without names)
 *   node scripts/bed.ts env                  the same, then prints `export NAME='value'` lines for a shell's eval
 */
import { assets, prepareAssets, unknownAssets } from "../test/bed/assets.ts";

const [command, ...names] = process.argv.slice(2);

function fail(message: string): never {
  process.stderr.write(
    `${message}\nusage: node scripts/bed.ts prepare [${assets.map(({ name }) => name).join("|")} ...] | env\n`,
  );
  process.exit(2);
}

if (command !== "prepare" && command !== "env") fail(`unknown command: ${command ?? "(none)"}`);
const unknown = unknownAssets(names);
if (unknown.length > 0) fail(`unknown: ${unknown.join(", ")}`);

try {
  await prepareAssets(names.length > 0 ? names : assets.map(({ name }) => name), (name, variables) => {
    if (command === "prepare") process.stderr.write(`bed: ${name} is ready\n`);
    else
      for (const [variable, path] of Object.entries(variables))
        process.stdout.write(`export ${variable}='${path}'\n`);
  });
} catch (error) {
  process.stderr.write(`bed: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
