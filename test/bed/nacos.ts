import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { freePort } from "../support/free-port.ts";
import { cacheKey, cacheRoot, fillCache } from "./cache.ts";
import { archiveFlags, prepareArchive } from "./class-archive.ts";
import { classPath, type JavaModule, javaFlags, saysReady, systemProperties } from "./java.ts";
import { type NacosApi, type NacosUser, type NacosVersion, nacosApi, type Permission } from "./nacos-api.ts";
import { withProgress } from "./progress.ts";
import { awaitReady, type ServerProcess, type ServerProgram, startServerProcess } from "./server-process.ts";
import { statusOf } from "./tcp.ts";
import { temporaryFolder } from "./watchdog.ts";

/** How a Nacos is started. */
export interface NacosOptions {
  readonly version: NacosVersion;
  /** Whether clients have to log in. Default: no. */
  readonly auth?: boolean;
  /** Where its HTTP API listens; 1000 below, 1000 above (gRPC) and 1001 above have to be free too. Default: such a one. */
  readonly port?: number;
  /** Whether gRPC speaks TLS with clients that want it; others are served as before. Default: no. */
  readonly tls?: NacosTls;
  /** Further settings by the names they have in application.properties. */
  readonly properties?: Readonly<Record<string, string>>;
}

/** PEM files; the key in PKCS#8. */
export interface NacosTls {
  readonly certificateFile: string;
  readonly keyFile: string;
  /** The CA that has to have signed a client's certificate. Default: clients need none. */
  readonly clientCaFile?: string;
}

/** A real stand-alone Nacos server. Only its HTTP API listens on loopback alone; nothing it has can do that for the rest. */
export interface Nacos extends AsyncDisposable {
  /** `127.0.0.1:<port>`: HTTP; clients add 1000 for gRPC. */
  readonly address: string;
  readonly port: number;
  readonly version: NacosVersion;
  /** Who may do everything; undefined without `auth`. */
  readonly adminLogin: NacosUser | undefined;
  /** SIGSTOP and SIGCONT: connections stay open, nothing is answered. */
  freeze(): void;
  resume(): void;
  /** kill -9. */
  kill(): Promise<void>;
  /** SIGTERM; returns when it has ended. */
  stop(): Promise<void>;
  /**
   * Starts it again on the same ports (killing it first if it runs), with its data or, with `wipe`, without any: then
   * the administrator is its only user.
   */
  restart(options?: { readonly wipe?: boolean }): Promise<void>;
  /** A user who may do what `permissions` say and nothing else; counts at once. With `auth` only, as all of these. */
  createUser(user: NacosUser, permissions?: readonly Permission[]): Promise<void>;
  /** Takes the user's rights too. What happens to a session that is open is the server's affair. */
  deleteUser(username: string): Promise<void>;
  grant(username: string, permission: Permission): Promise<void>;
  revoke(username: string, permission: Permission): Promise<void>;
  /** Sets the weight of an instance of a service in DEFAULT_GROUP of the namespace `public`, as the console does. 2.3 only. */
  readonly setWeight: NacosApi["setWeight"];
  /** Asks all clients but one to connect anew, as a server does that is scaled; within some seconds. */
  resetClients(): Promise<void>;
}

interface Flavour {
  readonly module: JavaModule;
  readonly main: string;
  readonly readiness: string;
  readonly portProperty: string;
}

const FLAVOURS: Readonly<Record<NacosVersion, Flavour>> = {
  "2.3": {
    module: "nacos2",
    main: "com.alibaba.nacos.Nacos2",
    readiness: "/nacos/v1/console/health/readiness",
    portProperty: "server.port",
  },
  "3.1": {
    module: "nacos3",
    main: "com.alibaba.nacos.bootstrap.Nacos3",
    readiness: "/nacos/v3/admin/core/state/readiness",
    portProperty: "nacos.server.main.port",
  },
};

const ADMIN = { username: "nacos", password: "administrator" } as const;

// What else it listens on: raft, gRPC for clients, gRPC for servers.
const FURTHER_PORTS = [-1000, 1000, 1001] as const;

const READY_MS = 120_000;
const STOP_MS = 30_000;

/** Starts a Nacos; returns when it serves (5 s on an idle machine, the double before {@link prepareNacos}). */
export async function startNacos(options: NacosOptions): Promise<Nacos> {
  return launch(
    options,
    await archiveFlags(FLAVOURS[options.version].module),
    await newDatabase(options.version),
  );
}

/** Builds what a server needs. Returns the class path. */
export async function prepareNacos(version: NacosVersion): Promise<string> {
  const path = await prepareArchive(FLAVOURS[version].module, async (flags) => {
    await using nacos = await launch({ version }, flags, undefined);
    await nacos.stop();
  });
  await newDatabase(version);
  return path;
}

/**
 * The embedded database of a new server. To make one a server has 10 s, which it does not get on a machine that is busy
 * with others (a quarter of a processor is too little; seen five times); to open one takes less.
 */
async function newDatabase(version: NacosVersion): Promise<string> {
  const { module } = FLAVOURS[version];
  const path = join(cacheRoot(), `${module}-database-${await cacheKey([], [await classPath(module)])}`);
  const build = async (temporaryPath: string) => {
    await using nacos = await launch({ version }, await archiveFlags(module), undefined);
    await nacos.stop();
    await cp(nacos.databaseFolder, temporaryPath, { recursive: true });
  };
  await fillCache(path, [
    { path, build: (to) => withProgress(`making the database of ${module}`, () => build(to)) },
  ]);
  return path;
}

/** @param database what a new server begins with; undefined: it makes its own. */
async function launch(
  options: NacosOptions,
  archive: readonly string[],
  database: string | undefined,
): Promise<Nacos & { readonly databaseFolder: string }> {
  const { version, auth = false, port = await freePort(FURTHER_PORTS) } = options;
  await using starting = new AsyncDisposableStack();
  const folder = starting.use(temporaryFolder("nacos")).path;
  const home = join(folder, "home");
  const api = nacosApi(version, port, ADMIN);
  const program = await nacosProgram({ ...options, auth, port }, folder, archive);
  const readiness = `http://127.0.0.1:${port}${FLAVOURS[version].readiness}`;
  const databaseFolder = join(home, "data", "derby-data"); // the rest of the data names the ports of its server
  const start = (isNew: boolean) =>
    patiently(async () => {
      if (isNew) await rm(home, { recursive: true, force: true });
      if (isNew && database !== undefined) await cp(database, databaseFolder, { recursive: true });
      return startServer(program, readiness);
    });
  let server = await start(true);
  starting.defer(() => server.kill());
  if (auth) await api.createAdmin();
  const owned = starting.move();
  return {
    address: `127.0.0.1:${port}`,
    port,
    version,
    adminLogin: auth ? ADMIN : undefined,
    ...administration(api),
    freeze: () => server.freeze(),
    resume: () => server.resume(),
    kill: () => server.kill(),
    stop: () => server.terminate(STOP_MS),
    async restart({ wipe = false } = {}) {
      await server.kill();
      server = await start(wipe);
      if (wipe && auth) await api.createAdmin();
    },
    databaseFolder,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function administration(
  api: NacosApi,
): Pick<Nacos, "createUser" | "deleteUser" | "grant" | "revoke" | "resetClients" | "setWeight"> {
  return {
    async createUser(user, permissions = []) {
      await api.createUser(user);
      for (const permission of permissions) await api.grant(user.username, permission);
    },
    deleteUser: api.deleteUser,
    grant: api.grant,
    revoke: api.revoke,
    resetClients: api.resetClients,
    setWeight: api.setWeight,
  };
}

async function nacosProgram(
  options: Required<Pick<NacosOptions, "auth" | "port">> & NacosOptions,
  folder: string,
  archive: readonly string[],
): Promise<ServerProgram> {
  const { module, main, portProperty } = FLAVOURS[options.version];
  const home = join(folder, "home");
  const properties = {
    "nacos.standalone": "true",
    "nacos.home": home,
    "user.home": folder,
    "java.io.tmpdir": folder, // where it leaves the folders of its web server
    "logging.config": "classpath:logback-bed.xml",
    "server.address": "127.0.0.1",
    "nacos.server.ip": "127.0.0.1",
    [portProperty]: String(options.port),
    "nacos.core.auth.enabled": String(options.auth),
    ...(options.tls && tlsProperties(options.tls)),
    ...options.properties,
  };
  return {
    name: `Nacos ${options.version}`,
    command: "java",
    args: [
      ...javaFlags,
      "-Xmx512m",
      ...archive,
      ...systemProperties(properties),
      "-cp",
      await classPath(module),
      main,
    ],
    cwd: folder,
    logFile: join(folder, "nacos.log"),
  };
}

/** Paths with a scheme, for others are looked for in the class path. */
function tlsProperties({ certificateFile, keyFile, clientCaFile }: NacosTls): Record<string, string> {
  const name = "nacos.remote.server.rpc.tls";
  const mutual =
    clientCaFile === undefined
      ? {}
      : {
          [`${name}.mutualAuthEnable`]: "true",
          [`${name}.trustCollectionCertFile`]: pathToFileURL(clientCaFile).href,
        };
  return {
    [`${name}.enableTls`]: "true",
    [`${name}.certChainFile`]: pathToFileURL(certificateFile).href,
    [`${name}.certPrivateKey`]: pathToFileURL(keyFile).href,
    ...mutual,
  };
}

/** Again when its embedded database gave up on a busy machine: see {@link newDatabase}. */
async function patiently(start: () => Promise<ServerProcess>, tries = 3): Promise<ServerProcess> {
  try {
    return await start();
  } catch (error) {
    if (tries === 1 || !String(error).includes("Login timeout exceeded")) throw error;
    return patiently(start, tries - 1);
  }
}

/** It opens its ports before it serves, and a stranger may listen there: so it has to say itself that it has them. */
async function startServer(program: ServerProgram, readiness: string): Promise<ServerProcess> {
  const server = await startServerProcess(program);
  const answersWell = async () => (await statusOf(readiness)) === 200;
  await awaitReady(program.name, server, async () => saysReady(server) && (await answersWell()), READY_MS);
  return server;
}
