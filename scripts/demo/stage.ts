import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type ApiServer, startApiServer } from "../../test/bed/api-server.ts";
import { kubeBinaries } from "../../test/bed/kube-binaries.ts";
import { startServerProcess } from "../../test/bed/server-process.ts";
import { temporaryFolder } from "../../test/bed/watchdog.ts";
import { type ClusterView, viewCluster } from "../../test/support/cluster-view.ts";
import { type Controllers, startControllers } from "../../test/support/controllers.ts";
import { eventually } from "../../test/support/eventually.ts";
import { applyInstall, flagsOf, kubeconfigAs, renderInstall } from "../../test/support/install.ts";
import { builtProgram } from "../../test/support/program.ts";
import type { DemoProvider, DemoRegistry, DemoSpring, RunningRegistry } from "./registry.ts";
import { terminal } from "./terminal.ts";

/** The operator's own times, in which nothing is believed to be gone, made short enough to watch. */
export const scaledFlags = ["--settle-factor=0.05", "--empty-grace=5s", "--shrink-hold=5s"] as const;
export const rootNamespace = "servicemesh";
export const firstProvider = "10.42.0.57";
export const secondProvider = "10.42.0.58";
const springProvider = "10.42.0.59";

const WATCH_MS = 60_000;
const root = fileURLToPath(new URL("../..", import.meta.url));

/** Everything that runs while the story is told. Disposal ends all of it. */
export interface Stage extends AsyncDisposable {
  readonly api: ApiServer;
  readonly cluster: ClusterView;
  readonly registry: RunningRegistry;
  readonly provider: DemoProvider;
  /** Of the types that have one. */
  readonly spring: DemoProvider | undefined;
  readonly controllers: Controllers;
  /** Runs kubectl, shows the command and what it printed, and returns that. `shown` = what to show of the arguments. */
  kubectl(
    args: readonly string[],
    options?: { readonly input?: string; readonly shown?: string },
  ): Promise<string>;
  /** Shows `kubectl <args> --watch`, which is running while `act` acts, up to the moment `isDone` likes what it printed. */
  kubectlWatch(
    args: readonly string[],
    act: () => Promise<unknown>,
    isDone: (output: string) => boolean,
  ): Promise<string>;
}

/** Starts the servers, a first provider and both controllers; says what it does. */
export async function setStage(type: DemoRegistry): Promise<Stage> {
  await using starting = new AsyncDisposableStack();
  await timed("the built program", builtProgram());
  const api = starting.use(
    await timed("Kubernetes API server (real, with etcd)", startApiServer({ controllerManager: false })),
  );
  await timed("Istio's CRDs", api.applyCrds());
  await timed("kubectl apply -k config/default", applyInstall(api));
  await api.kubectl(["create", "namespace", type.namespace]);
  const cluster = starting.use(await viewCluster(api));
  const registry = starting.use(await timed(type.name, type.start()));
  const provider = starting.use(
    await timed(`a real provider that registers ${firstProvider}`, registry.startProvider(firstProvider)),
  );
  const spring = type.spring && starting.use(await startSpring(type.spring, registry.address));
  const starts = startInstalled(api);
  const controllers = starting.use(await timed("both controllers, with their ServiceAccounts", starts));
  const owned = starting.move();
  return {
    api,
    cluster,
    registry,
    provider,
    spring,
    controllers,
    async kubectl(args, { input, shown } = {}) {
      const output = await api.kubectl(args, input === undefined ? {} : { input });
      terminal.command(shown ?? commandLine(args), output);
      return output;
    },
    kubectlWatch: (args, act, isDone) => kubectlWatch(api, args, act, isDone),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** With the flags of their Deployments. */
async function startInstalled(api: ApiServer): Promise<Controllers> {
  const objects = await renderInstall("default");
  return startControllers({
    hubKubeconfig: await kubeconfigAs(api, "registryhub"),
    dubboKubeconfig: await kubeconfigAs(api, "dubbo-controller"),
    hub: [...flagsOf(objects, "registryhub"), ...scaledFlags],
    dubbo: flagsOf(objects, "dubbo-controller"),
  });
}

/** The sample's manifest with the demo's registry filled in. */
export async function filledSample(type: DemoRegistry, address: string): Promise<string> {
  const sample = await readFile(join(root, type.sample), "utf8");
  return sample.replace(/^( {2}address: ).*$/m, `$1"${address}"`);
}

function startSpring({ start }: DemoSpring, address: string): Promise<DemoProvider> {
  return timed(`a real Spring application that registers ${springProvider}`, start(address, springProvider));
}

async function timed<T>(what: string, work: Promise<T>): Promise<T> {
  const start = performance.now();
  const result = await work;
  terminal.started(`${what} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
  return result;
}

async function kubectlWatch(
  api: ApiServer,
  args: readonly string[],
  act: () => Promise<unknown>,
  isDone: (output: string) => boolean,
): Promise<string> {
  await using folder = temporaryFolder("kubectl");
  const { kubectl } = await kubeBinaries(["kubectl"]);
  const watching = await startServerProcess({
    name: "kubectl",
    command: kubectl,
    args: [...args, "--watch"],
    env: { KUBECONFIG: api.kubeconfig, HOME: folder.path },
    cwd: folder.path,
    logFile: join(folder.path, "log"),
  });
  try {
    await act();
    await eventually(() => {
      if (!isDone(watching.readLog())) throw new Error(`kubectl printed:\n${watching.readLog()}`);
    }, WATCH_MS);
  } finally {
    await watching.kill();
  }
  terminal.command(`${commandLine(args)} --watch`, watching.readLog());
  return watching.readLog();
}

function commandLine(args: readonly string[]): string {
  const quoted = args.map((arg) => (/^[-\w./=:,@]+$/.test(arg) ? arg : `'${arg}'`));
  return ["kubectl", ...quoted].join(" ");
}
