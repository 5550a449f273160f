import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort } from "../support/free-port.ts";
import { archiveFlags, prepareArchive } from "./class-archive.ts";
import { classPath, javaFlags, saysReady, systemProperties } from "./java.ts";
import { awaitReady, type ServerProcess, type ServerProgram, startServerProcess } from "./server-process.ts";
import { statusOf } from "./tcp.ts";
import { temporaryFolder } from "./watchdog.ts";

/** How a Eureka server is started. */
export interface EurekaOptions {
  /** Whether clients have to log in, by HTTP Basic. Default: no. */
  readonly auth?: boolean;
  /** Default: a free one. */
  readonly port?: number;
  /** The ports of its peers on this machine, to which it replicates, and from which it fetches what there is when it starts. */
  readonly peers?: readonly number[];
  /** Further settings by the names they have in application.properties. */
  readonly properties?: Readonly<Record<string, string>>;
}

export interface EurekaUser {
  readonly username: string;
  readonly password: string;
}

/** A real Eureka server of Spring Cloud. It keeps everything in memory. Disposal kills it. */
export interface Eureka extends AsyncDisposable {
  /** `http://127.0.0.1:<port>/eureka`. */
  readonly address: string;
  readonly port: number;
  /** Of a user who is always there; undefined without `auth`. */
  readonly login: EurekaUser | undefined;
  /** Further users; each may do everything. Counts at once. With `auth` only, as the next one. */
  createUser(user: EurekaUser): Promise<void>;
  deleteUser(username: string): Promise<void>;
  /** SIGSTOP and SIGCONT: connections stay open, nothing is answered. */
  freeze(): void;
  resume(): void;
  /** kill -9. */
  kill(): Promise<void>;
  /** SIGTERM; returns when it has ended. */
  stop(): Promise<void>;
  /** Starts it again on the same port (killing it first if it runs), with nothing but what its peers have. */
  restart(): Promise<void>;
}

const MODULE = "eureka";
const LOGIN = { username: "eureka", password: "of-the-test" } as const;
const STOP_MS = 30_000;

/**
 * A change is listed after half a second instead of 30; a lease that ran out is noticed within a second instead of 60; and
 * a change that was lost between two of the server's caches is listed after 3 s instead of 180
 * (docs/registries/eureka.md).
 */
const QUICK = {
  "eureka.server.response-cache-update-interval-ms": "500",
  "eureka.server.response-cache-auto-expiration-in-seconds": "3",
  "eureka.server.eviction-interval-timer-in-ms": "1000",
  "eureka.server.enable-self-preservation": "false",
  "eureka.server.wait-time-in-ms-when-sync-empty": "0",
  "eureka.server.peer-node-read-timeout-ms": "1000",
  "eureka.server.registry-sync-retries": "2",
  "eureka.server.registry-sync-retry-wait-ms": "500",
} as const;

/** Starts a Eureka server; returns when it answers (4 s on an idle machine, the double before {@link prepareEureka}). */
export async function startEureka(options: EurekaOptions = {}): Promise<Eureka> {
  return launch(options, await archiveFlags(MODULE));
}

/** Builds what a server needs. Returns the class path. */
export function prepareEureka(): Promise<string> {
  return prepareArchive(MODULE, async (flags) => {
    await using eureka = await launch({ auth: true }, flags);
    await eureka.stop();
  });
}

async function launch(options: EurekaOptions, archive: readonly string[]): Promise<Eureka> {
  const { auth = false, port = await freePort() } = options;
  await using starting = new AsyncDisposableStack();
  const folder = starting.use(temporaryFolder("eureka")).path;
  const users = auth ? await keepUsers(join(folder, "users")) : undefined;
  const program = await eurekaProgram({ ...options, port }, users?.file, folder, archive);
  const address = addressOf(port);
  let server = await startServer(program, address);
  starting.defer(() => server.kill());
  const owned = starting.move();
  return {
    address,
    port,
    login: auth ? LOGIN : undefined,
    async createUser(user) {
      await users?.add(user);
    },
    async deleteUser(username) {
      await users?.remove(username);
    },
    freeze: () => server.freeze(),
    resume: () => server.resume(),
    kill: () => server.kill(),
    stop: () => server.terminate(STOP_MS),
    async restart() {
      await server.kill();
      server = await startServer(program, address);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Who may log in, in a file that is replaced as a whole, for the server reads it at every request. */
async function keepUsers(file: string) {
  const users = new Map<string, EurekaUser>();
  const write = async (): Promise<void> => {
    const lines = [...users.values()].map(({ username, password }) => `${username}=${password}\n`);
    await writeFile(`${file}.new`, lines.join(""));
    await rename(`${file}.new`, file);
  };
  const add = (user: EurekaUser): Promise<void> => {
    users.set(user.username, user);
    return write();
  };
  const remove = (username: string): Promise<void> => {
    users.delete(username);
    return write();
  };
  await add(LOGIN);
  return { file, add, remove };
}

const addressOf = (port: number): string => `http://127.0.0.1:${port}/eureka`;

async function eurekaProgram(
  options: Required<Pick<EurekaOptions, "port">> & EurekaOptions,
  users: string | undefined,
  folder: string,
  archive: readonly string[],
): Promise<ServerProgram> {
  const { port, peers = [] } = options;
  const loginInUrl = users ? `${LOGIN.username}:${LOGIN.password}@` : "";
  const properties = {
    "user.home": folder,
    "java.io.tmpdir": folder, // where it leaves the folders of its web server
    "logging.level.root": "warn",
    "spring.main.banner-mode": "off",
    ...(users && { "bed.users": users }),
    "server.address": "127.0.0.1",
    "server.port": String(port),
    "eureka.client.register-with-eureka": "false",
    "eureka.client.fetch-registry": String(peers.length > 0),
    ...(peers.length === 0 && { "eureka.instance.hostname": "127.0.0.1" }), // by which it knows its own URL from a peer's
    // Without a word it takes whatever listens on port 8761 for its peer, and mixes its data with that one's.
    "eureka.client.service-url.defaultZone": (peers.length === 0 ? [port] : peers)
      .map((peer) => addressOf(peer).replace("://", `://${loginInUrl}`))
      .join(","),
    ...QUICK,
    ...options.properties,
  };
  return {
    name: "Eureka",
    command: "java",
    args: [
      ...javaFlags,
      "-Xmx512m",
      ...archive,
      ...systemProperties(properties),
      "-cp",
      await classPath(MODULE),
      "registryhub.bed.EurekaServer",
    ],
    cwd: folder,
    logFile: join(folder, "eureka.log"),
  };
}

/** It listens before it has fetched what its peers have. */
async function startServer(program: ServerProgram, address: string): Promise<ServerProcess> {
  const server = await startServerProcess(program);
  const answers = async () => ((await statusOf(`${address}/apps`)) ?? 503) < 500;
  await awaitReady(program.name, server, async () => saysReady(server) && (await answers()));
  return server;
}
