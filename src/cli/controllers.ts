import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { Command } from "commander";
import { type Config, ConfigError, readConfig } from "../config.ts";
import type { Controller } from "../config-options.ts";
import { DubboController } from "../controllers/dubbo/controller.ts";
import { HubController } from "../controllers/hub/controller.ts";
import { type ClientOptions, createClient, type KubeClient } from "../kube/client.ts";
import { Election } from "../kube/election.ts";
import type { LeaseId } from "../kube/lease.ts";
import { fieldManagers } from "../model/labels.ts";
import { openRegistry } from "../registries/index.ts";
import { systemClock } from "../runtime/clock.ts";
import type { Deps } from "../runtime/deps.ts";
import { type Routes, serveLocally } from "../runtime/local-server.ts";
import { createLogger } from "../runtime/logger.ts";
import { createDubboMetrics, createHubMetrics, type Metrics } from "../runtime/metrics.ts";
import { createRegistryLimits } from "../runtime/registry-limits.ts";
import { serveVitals } from "../runtime/vitals-server.ts";
import { hash } from "../translate/names.ts";
import { pageRoutes } from "./page/routes.ts";
import { addSettings, badUsage, checkKubeconfig } from "./settings.ts";
import { version } from "./version.ts";

/** A loop that works on one key for this long is stuck, because every request has a much shorter deadline. */
const stuckMs = 180_000;

/** The common interface of both controllers. */
interface Runnable {
  run(signal: AbortSignal): Promise<void>;
  stuckLoops(ms: number): readonly string[];
}

/** A controller; `routesFor` = what it shows while it leads, to whom its Lease names so. */
interface Made {
  readonly controller: Runnable;
  readonly metrics: Metrics;
  readonly routesFor?: (lease: LeaseId, page: URL) => Routes;
}

type Make = (config: Config, client: KubeClient, deps: Deps) => Made;

/** A command; `name` is the name of its Deployment, its field manager and, but for a lane, its Lease. */
interface Work {
  readonly name: string;
  readonly summary: string;
  readonly make: Make;
}

const controllers: Readonly<Record<Controller, Work>> = {
  "hub-controller": {
    name: fieldManagers.registryhub,
    summary: "Keep ServiceEntries in sync with the registries of all RegistryHubs.",
    make(config, client, deps) {
      const metrics = createHubMetrics(deps.clock);
      const options = { ...config, concurrency: writersOf(config) };
      const reading = { ...deps, openRegistry, limits: createRegistryLimits(config) };
      const controller = new HubController(options, client, metrics, reading);
      const lease = (id: LeaseId): string => (config.leaderElect ? `${id.namespace}/${id.name}` : "");
      const routesFor: Made["routesFor"] = (id, page) =>
        pageRoutes(controller, { identity: id.identity, lease: lease(id) }, page, deps.clock);
      return { metrics, controller, routesFor };
    },
  },
  "dubbo-controller": {
    name: fieldManagers.dubbo,
    summary: "Write the EnvoyFilters of every ServiceEntry that speaks Dubbo.",
    make(config, client, deps) {
      const metrics = createDubboMetrics();
      const options = { ...config, concurrency: writersOf(config) };
      return { metrics, controller: new DubboController(options, client, metrics, deps) };
    },
  },
};

/** Adds `hub-controller` and `dubbo-controller` to the program, with the flags of the settings table. @param page as in `runProgram`. */
export function addControllers(
  program: Command,
  env: NodeJS.ProcessEnv,
  page: URL,
  ended: (exitCode: number) => void,
): void {
  for (const name of Object.keys(controllers) as Controller[]) {
    const command = program
      .command(name)
      .summary(controllers[name].summary)
      .description(controllers[name].summary);
    addSettings(command, name);
    command.action(async (flags: Record<string, string | boolean>) => {
      ended(await runController(name, flags, env, page));
    });
  }
}

/** Runs until SIGTERM or SIGINT (0), or until an error that only a restart (1) or a person (2) can fix. */
async function runController(
  name: Controller,
  flags: Readonly<Record<string, string | boolean>>,
  env: NodeJS.ProcessEnv,
  page: URL,
): Promise<number> {
  let config: Config;
  try {
    config = readConfig(flags, env);
    checkKubeconfig(config);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return badUsage;
  }
  const logger = createLogger(config.logLevel).child({ controller: name });
  const deps: Deps = { clock: systemClock, logger, random: Math.random };
  const stopping = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.once(signal, () => {
      logger.info("stopping", { signal });
      stopping.abort();
    });
  }
  logger.info("starting", { version, ...(config.leaderElect && { lease: leaseNameOf(name, config) }) });
  try {
    await work(name, config, deps, page, stopping.signal);
    return 0;
  } catch (error) {
    logger.error("controller failed", { error });
    return 1;
  } finally {
    logger.info("stopped");
  }
}

/** Runs the controller: while it leads with leader election, else until `signal` aborts. */
async function work(
  name: Controller,
  config: Config,
  deps: Deps,
  page: URL,
  signal: AbortSignal,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const open = (options: Pick<ClientOptions, "concurrency" | "beforeWrite">): KubeClient => {
    const { kubeconfig, defaultKubeconfigs } = config;
    const common = { kubeconfig, defaultKubeconfigs, userAgent: `registryhub-${name}/${version}` };
    return stack.adopt(createClient({ ...common, ...options }, deps), (client) => client.close());
  };
  const leaseId = leaseIdOf(name, config);
  const election = config.leaderElect ? new Election(open({ concurrency: 1 }), leaseId, deps) : undefined;
  const client = open({
    concurrency: writersOf(config),
    ...(election && { beforeWrite: () => election.assertLeading() }),
  });
  const { controller, metrics, routesFor } = controllers[name].make(config, client, deps);
  if (config.httpBindAddress !== "off") {
    const vitals = {
      stuckLoops: () => controller.stuckLoops(stuckMs),
      notReady: () => election?.problem,
      metrics: () => metrics.render(),
    };
    const server = stack.use(await serveVitals(config.httpBindAddress, vitals));
    deps.logger.info("serving", { port: server.port });
  }
  const run = async (running: AbortSignal): Promise<void> => {
    metrics.leads();
    const routes = config.pagePort === 0 ? undefined : routesFor?.(leaseId, page);
    await using _ = routes && (await openPage(config.pagePort, routes, deps));
    await controller.run(running);
  };
  await (election ? election.lead(run, signal) : run(signal));
}

/** Nothing depends on the page, so a port that is taken is no reason to end. */
async function openPage(
  port: number,
  routes: Routes,
  { logger }: Deps,
): Promise<AsyncDisposable | undefined> {
  try {
    const server = await serveLocally(port, routes, logger);
    logger.info("serving the page", { url: `http://127.0.0.1:${server.port}` });
    return server;
  } catch (error) {
    logger.warn("cannot serve the page; set --page-port to a port that is free", { port, error });
    return undefined;
  }
}

/** Half of them are for one namespace at most (`WorkQueue`). */
const writersOf = ({ kubeApiConcurrency }: Config): number => 2 * kubeApiConcurrency;

const leaseIdOf = (name: Controller, config: Config): LeaseId => ({
  namespace: config.leaderElectNamespace,
  name: leaseNameOf(name, config),
  identity: `${hostname()}_${randomUUID()}`,
});

/** Every lane leads for itself, so its Lease has the hash of its selector behind the name of the controller (ADR 0033). */
export function leaseNameOf(
  controller: Controller,
  { hubSelector: { text } }: Pick<Config, "hubSelector">,
): string {
  const { name } = controllers[controller];
  return controller === "hub-controller" && text !== "" ? `${name}-${hash(text)}` : name;
}
