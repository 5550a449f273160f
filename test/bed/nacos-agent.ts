import { join } from "node:path";
import { converse } from "./conversation.ts";
import { classPath, javaFlags } from "./java.ts";
import { startServerProcess } from "./server-process.ts";
import { temporaryFolder } from "./watchdog.ts";

/** Where a connection leads, and as whom. */
export interface NacosConnectionOptions {
  /** Of the server's HTTP API; the client adds 1000 for gRPC. */
  readonly address: string;
  /** The namespace's id. Default: the public one. */
  readonly namespace?: string;
  readonly username?: string;
  readonly password?: string;
}

/** An instance as it is registered. */
export interface NacosInstance {
  readonly ip: string;
  readonly port: number;
  /** Default 1. */
  readonly weight?: number;
  /** Default true. */
  readonly enabled?: boolean;
  /** Whether it goes with its connection. Default true; a service has one kind only. */
  readonly ephemeral?: boolean;
  /** Default `DEFAULT`. */
  readonly clusterName?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** An instance as the server tells its clients. */
export interface ListedInstance extends Required<NacosInstance> {
  readonly healthy: boolean;
  readonly instanceId: string | null;
  /** With its group: `<group>@@<service>`. */
  readonly serviceName: string;
}

/**
 * A connection of Nacos' own client, made when it is first used. What is registered over it is registered again when the
 * server comes back without it (3 s later, as every client does).
 *
 * @throws Error (each method) with what the client said.
 */
export interface NacosConnection {
  /** In addition to what this connection has registered of the service; an address that it has is replaced. */
  register(service: string, group: string, instances: readonly NacosInstance[]): Promise<void>;
  /** The rest of the service's instances stay. */
  deregister(service: string, group: string, instances: readonly NacosInstance[]): Promise<void>;
  /** Everybody's, as the server tells them: up to half a second late, and without those that are not enabled. */
  instances(service: string, group: string): Promise<readonly ListedInstance[]>;
  /** The names of a group's services. */
  services(group: string): Promise<readonly string[]>;
  publishConfig(dataId: string, group: string, content: string): Promise<void>;
  removeConfig(dataId: string, group: string): Promise<void>;
  /** undefined when there is none. */
  config(dataId: string, group: string): Promise<string | undefined>;
  /** Closes it: the server removes what was registered over it. It is made anew, with nothing, when it is used again. */
  drop(): Promise<void>;
}

/** A process with Nacos' own client (Java, 2.5, gRPC): the connection itself, and as many others as are asked for. */
export interface NacosAgent extends NacosConnection, AsyncDisposable {
  /** Another connection; the same one for the same name. What `options` do not say is as in the agent's own. */
  connection(name: string, options?: Partial<NacosConnectionOptions>): NacosConnection;
  /** SIGSTOP and SIGCONT. */
  freeze(): void;
  resume(): void;
  /** kill -9: the server notices the closed connections. */
  kill(): Promise<void>;
}

type Ask = (action: string, request: object) => Promise<unknown>;

/** Starts an agent; it connects when first asked. */
export async function startNacosAgent(options: NacosConnectionOptions): Promise<NacosAgent> {
  await using starting = new AsyncDisposableStack();
  const folder = starting.use(temporaryFolder("nacos-agent")).path;
  const conversation = converse("Nacos agent");
  const server = await startServerProcess({
    name: "Nacos agent",
    command: "java",
    args: [
      ...javaFlags,
      "-Xmx256m",
      "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
      "-Dnacos.logging.default.config.enabled=false", // it would write log files
      `-Duser.home=${folder}`, // the client keeps its cache files there
      "-cp",
      await classPath("nacos-agent"),
      "registryhub.bed.NacosAgent",
    ],
    cwd: folder,
    logFile: join(folder, "agent.log"),
    talk: conversation.begin,
  });
  starting.defer(() => server.kill());
  const owned = starting.move();
  const connection = (name: string, others: Partial<NacosConnectionOptions> = {}) => {
    const properties = clientProperties({ ...options, ...others });
    return connect((action, request) =>
      conversation.ask(server, { ...request, do: action, connection: name, properties }),
    );
  };
  return {
    ...connection("default"),
    connection,
    freeze: () => server.freeze(),
    resume: () => server.resume(),
    kill: () => server.kill(),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function connect(ask: Ask): NacosConnection {
  return {
    async register(service, group, instances) {
      await ask("register", { service, group, instances });
    },
    async deregister(service, group, instances) {
      await ask("deregister", { service, group, instances });
    },
    async instances(service, group) {
      return (await ask("instances", { service, group })) as ListedInstance[];
    },
    async services(group) {
      return (await ask("services", { group })) as string[];
    },
    async publishConfig(dataId, group, content) {
      if (!(await ask("publishConfig", { dataId, group, content })))
        throw new Error(`${dataId} was not published`);
    },
    async removeConfig(dataId, group) {
      if (!(await ask("removeConfig", { dataId, group }))) throw new Error(`${dataId} was not removed`);
    },
    async config(dataId, group) {
      return ((await ask("config", { dataId, group })) as string | null) ?? undefined;
    },
    async drop() {
      await ask("drop", {});
    },
  };
}

/** As the client spells them. */
function clientProperties({ address, ...others }: NacosConnectionOptions): Record<string, string> {
  return { serverAddr: address, ...others };
}
