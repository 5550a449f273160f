/**
 * The import law: which layer of src/ may import what. Run by `make check`; the table below is the law's text.
 * It exists because a layer that imports the wrong thing compiles just as well.
 */
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, normalize, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { type ImportDeclarationSpecifier, type ModuleExportName, parseSync, Visitor } from "oxc-parser";

/** One layer: the folders or files of src/ it is made of, and what it may import besides itself. */
interface Layer {
  readonly name: string;
  /** Matches paths below src/. The first layer that matches is the module's. */
  readonly files: RegExp;
  /** Names of layers; `*` = all. */
  readonly layers: readonly string[];
  /**
   * Packages and modules of Node; `node:net#isIP` = that export only. `node:*` = all of Node's own but those that give
   * the time, set timers or reach the process: these come in through Deps.
   */
  readonly modules: readonly string[];
}

const ambient = /^node:(timers|process|perf_hooks)/;
const pure = ["node:crypto", "node:util", "node:net#isIP", "node:net#BlockList", "node:net#SocketAddress"];
const registryLayers = ["model", "runtime", "adapter contract", "transport", "kinds/dubbo", "kinds/spring"];
const registryModules = ["node:*", "undici", "zod"];
const types = ["zookeeper", "nacos", "eureka", "consul"];
const controllerLayers = ["model", "translate", "plan", "status", "runtime", "logger", "metrics", "kube"];

/** One registry: it knows nothing of the others, of the cluster, or of what becomes of its snapshots. */
const island = (type: string): Layer => ({
  name: `registries/${type}`,
  files: new RegExp(`^registries/${type}/`),
  layers: registryLayers,
  modules: registryModules,
});

const kind = (name: string): Layer => ({
  name: `kinds/${name}`,
  files: new RegExp(`^registries/kinds/${name}/`),
  layers: ["model", "runtime"],
  modules: ["node:*", "zod"],
});

/** The law (docs/architecture.md): everything observed is a snapshot, everything decided is pure, everything changed goes through kube. */
const law: readonly Layer[] = [
  { name: "model", files: /^model\//, layers: [], modules: [] },
  { name: "translate", files: /^translate\//, layers: ["model"], modules: [...pure, "re2js"] },
  { name: "plan", files: /^plan\//, layers: ["model"], modules: pure },
  { name: "status", files: /^status\//, layers: ["model"], modules: pure },
  {
    name: "logger",
    files: /^runtime\/logger\.ts$/,
    layers: ["model", "runtime"],
    modules: ["node:*", "pino"],
  },
  {
    name: "metrics",
    files: /^runtime\/metrics\.ts$/,
    layers: ["model", "runtime"],
    modules: ["node:*", "prom-client"],
  },
  {
    name: "runtime",
    files: /^runtime\//,
    layers: ["model", "logger", "metrics"],
    modules: ["node:*", "node:perf_hooks", "node:timers/promises", "zod"],
  },
  { name: "adapter contract", files: /^registries\/adapter\.ts$/, layers: ["model", "runtime"], modules: [] },
  {
    name: "transport",
    files: /^registries\/transport\//,
    layers: ["model", "runtime"],
    modules: registryModules,
  },
  kind("dubbo"),
  kind("spring"),
  ...types.map(island),
  {
    name: "registries/index",
    files: /^registries\/index\.ts$/,
    layers: ["model", "runtime", "adapter contract", ...types.map((type) => `registries/${type}`)],
    modules: [],
  },
  {
    name: "supervise",
    files: /^registries\/supervise\.ts$/,
    layers: ["model", "runtime", "adapter contract"],
    modules: [],
  },
  {
    name: "kube",
    files: /^kube\//,
    layers: ["model", "runtime"],
    modules: ["node:*", "undici", "@kubernetes/client-node"],
  },
  {
    name: "controllers/writes",
    files: /^controllers\/writes\//,
    layers: controllerLayers,
    modules: ["node:*"],
  },
  {
    name: "controllers/hub",
    files: /^controllers\/hub\//,
    layers: [...controllerLayers, "controllers/writes", "registries/index", "supervise"],
    modules: ["node:*"],
  },
  {
    name: "controllers/dubbo",
    files: /^controllers\/dubbo\//,
    layers: [...controllerLayers, "controllers/writes"],
    modules: ["node:*"],
  },
  {
    name: "config",
    files: /^config(-options|-values)?\.ts$/,
    layers: ["model", "config"],
    modules: ["node:*"],
  },
  { name: "cli", files: /^cli\//, layers: ["*"], modules: ["node:*", "commander", "package.json"] },
  { name: "main", files: /^main\.ts$/, layers: ["*"], modules: ["node:*", "commander"] },
];

interface Import {
  readonly specifier: string;
  /** What is imported by name; `*` when it is the whole module. */
  readonly names: readonly string[];
  readonly line: number;
}

/** What was looked at, and every breach as `file:line what`. */
export interface Verdict {
  readonly modules: number;
  readonly breaches: readonly string[];
}

/** Judges every module of `<root>/src`. @throws when a module cannot be parsed. */
export function judge(root: string): Verdict {
  const files = globSync("src/**/*.ts", { cwd: root }).map(toPosix).sort();
  const importsByFile = new Map(
    files.map((file) => [file, importsOf(file, readFileSync(join(root, file), "utf8"))]),
  );
  const breaches = [...importsByFile].flatMap(([file, imports]) => breachesOf(root, file, imports));
  return { modules: files.length, breaches: [...breaches, ...cyclesOf(importsByFile)] };
}

/** Static and dynamic imports, re-exports and `import("…")` types alike: a type ties two layers together, too. */
function importsOf(file: string, text: string): Import[] {
  const { program, errors } = parseSync(file, text);
  if (errors[0]) throw new Error(`${file} cannot be parsed: ${errors[0].message}`);
  const found: Import[] = [];
  const add = (at: number, source: unknown, names: readonly string[]): void => {
    const line = text.slice(0, at).split("\n").length;
    found.push({ specifier: typeof source === "string" ? source : "a computed module", names, line });
  };
  new Visitor({
    ImportDeclaration: (node) => add(node.start, node.source.value, node.specifiers.map(importedName)),
    ExportNamedDeclaration: (node) =>
      node.source &&
      add(
        node.start,
        node.source.value,
        node.specifiers.map((one) => nameOf(one.local)),
      ),
    ExportAllDeclaration: (node) => add(node.start, node.source.value, ["*"]),
    ImportExpression: (node) =>
      add(node.start, node.source.type === "Literal" ? node.source.value : undefined, ["*"]),
    TSImportType: (node) => add(node.start, node.source.value, ["*"]),
  }).visit(program);
  return found;
}

function breachesOf(root: string, file: string, imports: readonly Import[]): string[] {
  const from = layerOf(file);
  if (!from) return [`${file}:1 belongs to no layer of the import law; add it to scripts/import-law.ts`];
  return imports.flatMap((one) => breachOf(root, file, from, one) ?? []);
}

function breachOf(root: string, file: string, from: Layer, one: Import): string | undefined {
  const at = `${file}:${one.line}`;
  if (!one.specifier.startsWith(".")) return moduleBreach(at, from, one);
  const target = resolve(file, one.specifier);
  if (from.modules.includes(target)) return undefined;
  if (!existsSync(join(root, target))) return `${at} imports ${target}, which does not exist`;
  const to = layerOf(target);
  const allowed = to && (to === from || from.layers.includes("*") || from.layers.includes(to.name));
  return allowed ? undefined : `${at} imports ${target}: ${from.name} may import only ${listed(from.layers)}`;
}

function moduleBreach(at: string, from: Layer, { specifier, names }: Import): string | undefined {
  const isPlainNode = specifier.startsWith("node:") && !ambient.test(specifier);
  const allowed =
    (isPlainNode && from.modules.includes("node:*")) ||
    from.modules.includes(specifier) ||
    (names.length > 0 && names.every((name) => from.modules.includes(`${specifier}#${name}`)));
  if (allowed) return undefined;
  const what = names.length > 0 && !names.includes("*") ? `${names.join(", ")} from ${specifier}` : specifier;
  return `${at} imports ${what}: ${from.name} may import only ${listed(from.modules)}`;
}

/** Each cycle once, reported where it is closed. */
function cyclesOf(importsByFile: ReadonlyMap<string, readonly Import[]>): string[] {
  const cycles: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): void => {
    const start = path.indexOf(file);
    if (start >= 0) cycles.push(`${file}:1 import cycle ${[...path.slice(start), file].join(" → ")}`);
    if (start >= 0 || done.has(file)) return;
    for (const { specifier } of importsByFile.get(file) ?? [])
      if (specifier.startsWith(".")) visit(resolve(file, specifier), [...path, file]);
    done.add(file);
  };
  for (const file of importsByFile.keys()) visit(file, []);
  return cycles;
}

const toPosix = (path: string): string => path.split(sep).join("/");
const resolve = (file: string, specifier: string): string =>
  toPosix(normalize(join(dirname(file), specifier)));
const layerOf = (file: string): Layer | undefined =>
  file.startsWith("src/") ? law.find((layer) => layer.files.test(file.slice("src/".length))) : undefined;
const listed = (names: readonly string[]): string => names.join(", ") || "nothing";

const importedName = (one: ImportDeclarationSpecifier): string =>
  one.type === "ImportSpecifier" ? nameOf(one.imported) : "*";
const nameOf = (node: ModuleExportName): string => (node.type === "Literal" ? node.value : node.name);

if (import.meta.main) {
  const { modules, breaches } = judge(fileURLToPath(new URL("..", import.meta.url)));
  for (const breach of breaches) console.error(breach);
  console.log(`import law: ${modules} modules looked at, ${breaches.length} breaches`);
  process.exitCode = breaches.length > 0 || modules === 0 ? 1 : 0;
}
