import { randomUUID } from "node:crypto";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort } from "../support/free-port.ts";
import { consulBinary } from "./consul-binary.ts";
import { awaitReady, type ServerProgram, startServerProcess } from "./server-process.ts";
import { temporaryFolder } from "./watchdog.ts";

/** How an agent of Consul is started: as a server of its own cluster, unless `cluster` says otherwise. */
export interface ConsulOptions {
  /** Whether only tokens may read and write; {@link Consul.managementToken} may everything. Default: no. */
  readonly acl?: boolean;
  /** Whether its API speaks TLS instead of plain HTTP. Default: no. */
  readonly tls?: ConsulTls;
  readonly cluster?: ConsulCluster;
  /** Further settings, as in Consul's configuration files. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

/** PEM files. */
export interface ConsulTls {
  readonly certificateFile: string;
  readonly keyFile: string;
  /** The CA that has to have signed a client's certificate. Default: clients need none. */
  readonly clientCaFile?: string;
}

/** What an agent has to know to be one of several. */
export interface ConsulCluster {
  readonly role: "server" | "client";
  /** How many servers there are. */
  readonly servers: number;
  /** The gossip ports of the servers. */
  readonly join: readonly number[];
  /** The one of this agent, if it is one of those. Default: a free one. */
  readonly gossipPort?: number;
  /** The same for all agents of a cluster with `acl`. */
  readonly managementToken?: string;
}

/** A real Consul agent on 127.0.0.1; a fast one: it elects a leader within a second or two. */
export interface Consul extends AsyncDisposable {
  /** `http://127.0.0.1:<port>`, or https. */
  readonly url: string;
  /** `127.0.0.1:<port>`. */
  readonly address: string;
  readonly port: number;
  /** Where agents of its cluster find it. */
  readonly gossipPort: number;
  /** undefined without `acl`. */
  readonly managementToken: string | undefined;
  /** SIGSTOP and SIGCONT: connections stay open, nothing is answered. */
  freeze(): void;
  resume(): void;
  /** kill -9. */
  kill(): Promise<void>;
  /** SIGTERM; returns when it has ended. */
  stop(): Promise<void>;
  /** Starts it again on the same ports (killing it first if it runs), with its data or, with `wipe`, without any. */
  restart(options?: { readonly wipe?: boolean }): Promise<void>;
}

const READY_MS = 60_000;

/** Starts an agent; returns when its cluster has a leader, or at once with several servers: see {@link startConsulServers}. */
export async function startConsul(options: ConsulOptions = {}): Promise<Consul> {
  await using starting = new AsyncDisposableStack();
  const folder = starting.use(temporaryFolder("consul")).path;
  const port = await freePort();
  const { cluster = { role: "server", servers: 1, join: [] } } = options;
  const managementToken = options.acl ? (cluster.managementToken ?? randomUUID()) : undefined;
  const ports = { gossip: cluster.gossipPort ?? (await freePort()), rpc: await freePort(), api: port };
  const settings = settingsOf({ ...options, cluster }, { folder, ports, managementToken });
  await writeFile(join(folder, "agent.json"), JSON.stringify(settings));
  const program: ServerProgram = {
    name: "Consul",
    command: await consulBinary(),
    args: ["agent", `-config-file=${join(folder, "agent.json")}`],
    cwd: folder,
    logFile: join(folder, "consul.log"),
  };
  const start = async () => {
    const agent = await startServerProcess(program);
    const isReady = async (): Promise<boolean> =>
      isServing(agent.readLog().slice(logged), cluster) && (await knows(url, managementToken));
    await awaitReady(program.name, agent, isReady, READY_MS);
    return agent;
  };
  const url = `${options.tls ? "https" : "http"}://127.0.0.1:${port}`;
  let logged = 0;
  let agent = await start();
  starting.defer(() => agent.kill());
  const owned = starting.move();
  return {
    url,
    address: `127.0.0.1:${port}`,
    port,
    gossipPort: ports.gossip,
    managementToken,
    freeze: () => agent.freeze(),
    resume: () => agent.resume(),
    kill: () => agent.kill(),
    stop: () => agent.terminate(),
    async restart({ wipe = false } = {}) {
      await agent.kill();
      if (wipe) await rm(join(folder, "data"), { recursive: true });
      logged = agent.readLog().length;
      agent = await start();
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Starts the servers of one cluster; returns when they have a leader. */
export async function startConsulServers(
  servers: number,
  options: Omit<ConsulOptions, "cluster"> = {},
): Promise<readonly Consul[]> {
  const join = await Promise.all(Array.from({ length: servers }, () => freePort()));
  const managementToken = randomUUID();
  return Promise.all(
    join.map((gossipPort) =>
      startConsul({ ...options, cluster: { role: "server", servers, join, gossipPort, managementToken } }),
    ),
  );
}

/** What its log says: a stranger on the port would answer as well. */
function isServing(log: string, { role }: ConsulCluster): boolean {
  return role === "server"
    ? /New leader elected|cluster leadership acquired/.test(log)
    : /Synced node info|agent: Consul agent running/.test(log);
}

/** A new leader makes the first token some milliseconds after it began to lead. */
async function knows(url: string, token: string | undefined): Promise<boolean> {
  if (token === undefined) return true;
  const answer = await fetch(`${url}/v1/acl/token/self`, { headers: { "x-consul-token": token } });
  return answer.ok;
}

interface Place {
  readonly folder: string;
  readonly ports: { readonly gossip: number; readonly rpc: number; readonly api: number };
  readonly managementToken: string | undefined;
}

function settingsOf(
  { tls, cluster, settings }: ConsulOptions & { readonly cluster: ConsulCluster },
  { folder, ports, managementToken }: Place,
): Record<string, unknown> {
  const off = -1;
  return {
    node_name: `${cluster.role}-${ports.gossip}`,
    node_id: randomUUID(), // without its data it is the same node again
    data_dir: join(folder, "data"),
    bind_addr: "127.0.0.1",
    client_addr: "127.0.0.1",
    ports: {
      http: tls ? off : ports.api,
      https: tls ? ports.api : off,
      serf_lan: ports.gossip,
      server: ports.rpc,
      dns: off,
      grpc: off,
      grpc_tls: off,
      serf_wan: off,
    },
    server: cluster.role === "server",
    ...(cluster.role === "server" && { bootstrap_expect: cluster.servers }),
    ...(cluster.join.length > 0 && { retry_join: cluster.join.map((port) => `127.0.0.1:${port}`) }),
    retry_interval: "1s",
    performance: { raft_multiplier: 1 },
    gossip_lan: { gossip_interval: "50ms", probe_interval: "500ms", suspicion_mult: 2 },
    connect: { enabled: false },
    disable_update_check: true,
    ...(managementToken !== undefined && {
      acl: {
        enabled: true,
        default_policy: "deny",
        tokens: { initial_management: managementToken, agent: managementToken },
      },
    }),
    ...(tls && {
      tls: {
        https: {
          cert_file: tls.certificateFile,
          key_file: tls.keyFile,
          ...(tls.clientCaFile !== undefined && { ca_file: tls.clientCaFile, verify_incoming: true }),
        },
      },
    }),
    ...settings,
  };
}
