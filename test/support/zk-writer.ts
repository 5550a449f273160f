import { createHash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import zookeeper from "node-zookeeper-client";

/** Who may use a znode: the world everything, whoever created it everything, or the given users everything. */
export type ZnodeAcl = "open" | "creator" | { readonly users: readonly DigestUser[] };

/** A user of ZooKeeper's `digest` scheme. */
export interface DigestUser {
  readonly username: string;
  readonly password: string;
}

/** What a znode is created with. Default: persistent, open, no data. */
export interface ZnodeOptions {
  readonly data?: string;
  readonly ephemeral?: boolean;
  readonly acl?: ZnodeAcl;
}

/**
 * One ZooKeeper session of node-zookeeper-client: an independent party that writes what the code under test reads, and
 * witnesses the server's view. All methods reject with the client's error, e.g. `NO_NODE` in its message.
 */
export interface ZkWriter extends AsyncDisposable {
  /** Hexadecimal, as the server's `dump` prints it. */
  readonly sessionId: string;
  /** Creates a znode, and its parents (persistent, open) where they are missing. */
  create(path: string, options?: ZnodeOptions): Promise<void>;
  /** Creates znodes without data, open, in one transaction and this order; parents that are not among them have to exist. */
  createAll(paths: readonly string[], options?: Pick<ZnodeOptions, "ephemeral">): Promise<void>;
  delete(path: string): Promise<void>;
  /** With everything below it. */
  deleteAll(path: string): Promise<void>;
  setData(path: string, data: string): Promise<void>;
  setAcl(path: string, acl: ZnodeAcl): Promise<void>;
  getData(path: string): Promise<string>;
  /** Names, sorted. `changed` is called once, after the next change of them. */
  getChildren(path: string, changed?: () => void): Promise<string[]>;
  /**
   * Registers providers the way Dubbo does: an ephemeral znode `<root>/<interface>/providers/<encoded URL>` each.
   * Returns their paths, for {@link ZkWriter.delete}.
   */
  registerProviders(urls: readonly string[], root?: string): Promise<string[]>;
  /** Ends the session: its ephemeral znodes go at once, or when it expires if the server does not answer. */
  close(): Promise<void>;
}

/** How {@link connectZkWriter} connects. */
export interface ZkWriterOptions {
  /** Sent with the session (`addauth digest`). */
  readonly user?: DigestUser;
  /** ms asked for; the server limits it to 2 to 20 of its ticks. Default 10 s. */
  readonly sessionTimeoutMs?: number;
}

const CONNECT_MS = 15_000;
const CLOSE_MS = 2_000;
const ANY_VERSION = -1;

/** Connects to `host:port[/chroot]`. @throws Error when that takes longer than 15 s. */
export async function connectZkWriter(address: string, options: ZkWriterOptions = {}): Promise<ZkWriter> {
  const { user, sessionTimeoutMs = 10_000 } = options;
  const client = zookeeper.createClient(address, {
    sessionTimeout: sessionTimeoutMs,
    spinDelay: 100,
    retries: 0,
  });
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      client.close();
      reject(new Error(`cannot connect to ZooKeeper at ${address} within ${CONNECT_MS} ms`));
    }, CONNECT_MS);
    client.once("connected", () => {
      clearTimeout(timer);
      resolve();
    });
    client.connect();
  });
  if (user) client.addAuthInfo("digest", Buffer.from(`${user.username}:${user.password}`));
  return writerOver(client);
}

function writerOver(client: ReturnType<typeof zookeeper.createClient>): ZkWriter {
  const writer: ZkWriter = {
    sessionId: client.getSessionId().toString("hex"),
    async create(path, { data = "", ephemeral = false, acl = "open" } = {}) {
      const make = () =>
        call<string>((done) => client.create(path, Buffer.from(data), toAcls(acl), modeOf(ephemeral), done));
      const parent = path.slice(0, path.lastIndexOf("/"));
      try {
        await make();
      } catch (error) {
        if (parent === "" || !String(error).includes("NO_NODE")) throw error;
        await call<string>((done) => client.mkdirp(parent, done)); // a request for each level of it
        await make();
      }
    },
    async createAll(paths, { ephemeral = false } = {}) {
      const transaction = client.transaction();
      for (const path of paths) transaction.create(path, Buffer.alloc(0), toAcls("open"), modeOf(ephemeral));
      await call<unknown>((done) => transaction.commit(done));
    },
    delete: (path) => call((done) => client.remove(path, ANY_VERSION, done)),
    deleteAll: (path) => call((done) => client.removeRecursive(path, ANY_VERSION, done)),
    setData: async (path, data) =>
      void (await call<unknown>((done) => client.setData(path, Buffer.from(data), ANY_VERSION, done))),
    setAcl: async (path, acl) =>
      void (await call<unknown>((done) => client.setACL(path, toAcls(acl), ANY_VERSION, done))),
    getData: async (path) =>
      (await call<Buffer | undefined>((done) => client.getData(path, done)))?.toString() ?? "",
    getChildren: async (path, changed) =>
      (
        await call<string[]>((done) =>
          changed ? client.getChildren(path, changed, done) : client.getChildren(path, done),
        )
      ).sort(),
    async registerProviders(urls, root = "/dubbo") {
      const paths = urls.map((url) => providerPath(url, root));
      await Promise.all(paths.map((path) => writer.create(path, { data: "127.0.0.1", ephemeral: true })));
      return paths;
    },
    async close() {
      const closed = new Promise<void>((resolve) => client.once("disconnected", resolve));
      const isConnected = client.getState().getName() === "SYNC_CONNECTED";
      client.close();
      if (isConnected) await Promise.race([closed, delay(CLOSE_MS, undefined, { ref: false })]);
      // A closed client of this library goes on reconnecting to a dead server and waits for ever for a frozen one.
      client.connectionManager.connect = () => {};
      client.connectionManager.socket?.destroy();
    },
    [Symbol.asyncDispose]: () => writer.close(),
  };
  return writer;
}

function call<T = void>(start: (done: (error: Error | null, value: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => start((error, value) => (error ? reject(error) : resolve(value))));
}

const modeOf = (ephemeral: boolean): number =>
  ephemeral ? zookeeper.CreateMode.EPHEMERAL : zookeeper.CreateMode.PERSISTENT;

function toAcls(acl: ZnodeAcl) {
  const { ACL, Id, Permission } = zookeeper;
  if (acl === "open") return [new ACL(Permission.ALL, new Id("world", "anyone"))];
  if (acl === "creator") return [new ACL(Permission.ALL, new Id("auth", ""))];
  return acl.users.map((user) => new ACL(Permission.ALL, new Id("digest", digestId(user))));
}

/** Source: org.apache.zookeeper.server.auth.DigestAuthenticationProvider.generateDigest. */
function digestId({ username, password }: DigestUser): string {
  return `${username}:${createHash("sha1").update(`${username}:${password}`).digest("base64")}`;
}

/** The znode with which Dubbo registers a provider. */
export function providerPath(url: string, root = "/dubbo"): string {
  return `${root}/${interfaceOf(url)}/providers/${encodeLikeDubbo(url)}`;
}

function interfaceOf(providerUrl: string): string {
  const url = new URL(providerUrl);
  return url.searchParams.get("interface") ?? url.pathname.slice(1);
}

/** As java.net.URLEncoder, which Dubbo uses (URL.encode). */
function encodeLikeDubbo(text: string): string {
  const hex = (char: string) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`;
  return encodeURIComponent(text)
    .replace(/[!'()~]/g, hex)
    .replaceAll("%20", "+");
}
