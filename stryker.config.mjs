/**
 * Mutants of one layer (`make mutants LAYER=plan`): each is a small change of the code, and a test of the fast suite has to
 * fail because of it. What is known of earlier runs is in .stryker, so only what has changed is tried again.
 * FILES (paths, by commas) takes the place of LAYER.
 */
const controllers = (...names) => names.map((name) => `src/controllers/${name}.ts`);

/** What LAYER can be, and which files are mutated then. `removal`: what decides, besides plan, that something goes. */
const layers = {
  all: ["src/{plan,status,translate,controllers}/**/*.ts"],
  plan: ["src/plan/**/*.ts"],
  status: ["src/status/**/*.ts"],
  removal: controllers(
    "hub/{deleted-hubs,edits,host-worker,hub-hosts,ledger,listing-index,other-lanes,service-cap}",
    "hub/{session,sessions,trust,wanted-services}",
    "dubbo/{filter-rights,filter-worker}",
    "writes/{entry-index,object-writer}",
  ),
  translate: ["src/translate/**/*.ts"],
  controllers: ["src/controllers/**/*.ts"],
};

const { FILES, LAYER } = process.env;
const layer = LAYER || "all";
const mutate = FILES ? FILES.split(",") : layers[layer];
if (mutate === undefined)
  throw new Error(`LAYER is one of ${Object.keys(layers).join(", ")}, not "${layer}"`);

/** Of the files in .stryker. */
const name = FILES ? FILES.replaceAll(/\W+/g, "-") : layer;

export default {
  mutate,
  testRunner: "vitest",
  plugins: ["@stryker-mutator/vitest-runner"],
  vitest: { configFile: "test/mutants.config.ts", pool: "threads" },
  tsconfigFile: "none", // it would rewrite ours with an API that TypeScript 7 does not have
  timeoutMS: 30_000, // a busy machine kills no mutant
  concurrency: Number(process.env.WORKERS ?? 2),
  incremental: true,
  incrementalFile: `.stryker/${name}.json`,
  tempDirName: ".stryker/tmp",
  reporters: ["clear-text", "progress-append-only", "html"],
  ignoreStatic: true, // tables: each of their mutants would run every test
  htmlReporter: { fileName: `.stryker/${name}.html` },
  clearTextReporter: { allowColor: false, logTests: false, reportTests: false },
  ignorePatterns: ["dist", "coverage", ".stryker"],
};
