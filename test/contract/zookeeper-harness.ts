import type { Credentials } from "../../src/model/hub.ts";
import type { RegistryAdapter } from "../../src/registries/adapter.ts";
import { createZooKeeperAdapter } from "../../src/registries/zookeeper/adapter.ts";
import type { Deps } from "../../src/runtime/deps.ts";
import { startProxy } from "../bed/fault-proxy.ts";
import { ask } from "../bed/tcp.ts";
import { startZooKeeper, type ZooKeeper, type ZooKeeperVersion } from "../bed/zookeeper.ts";
import { startFakeZooKeeper } from "../fakes/zookeeper/server.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/free-port.ts";
import { connectZkWriter, type ZkWriter } from "../support/zk-writer.ts";
import { countingDeps } from "./counting-deps.ts";
import {
  oddNames,
  type RegistryHarness,
  type RegistryTraits,
  type TestInstance,
} from "./registry.contract.ts";

/** What an adapter is opened with where a test needs another than the usual. */
export interface ReaderOptions {
  readonly address: string;
  readonly root?: string;
  readonly credentials?: Credentials;
  readonly tls?: { readonly enabled: boolean; readonly insecureSkipVerify: boolean };
  readonly wants?: (name: string) => boolean;
  /** The interfaces that the cluster has of the hub. */
  readonly known?: readonly string[];
}

/** Sessions of at most 20 ticks: 4 s, so a frozen server is noticed within 4 s. */
export const tickTime = 200;

export const zooKeeperTraits: RegistryTraits = {
  emptied: "present",
  metadataKey: "revision",
  oddNames,
  visibleMs: 10_000,
  frozenMs: 8_000,
  skipped: {
    C7: "ZooKeeper knows no health: a provider that is ill takes its node away, or its session ends",
  },
};

/** A reader of the Dubbo tree at an address. */
export function openReader(options: ReaderOptions, deps: Deps = countingDeps()): RegistryAdapter {
  const { address, root = "/dubbo", credentials = {}, wants = () => true, known = [] } = options;
  const tls = options.tls ?? { enabled: false, insecureSkipVerify: false };
  return createZooKeeperAdapter(
    { registry: { type: "zookeeper", address, root, tls }, credentials, wants, known: () => known },
    deps,
  );
}

/** The node that a provider's URL is announced by. */
export function providerNode(name: string, url: string, root = "/dubbo"): string {
  return `${root}/${encodeURIComponent(name)}/providers/${encodeURIComponent(url)}`;
}

/** The shortest URL of a Dubbo provider that has all that matters. */
export function providerUrl(name: string, { address, port, note }: TestInstance): string {
  const host = address.includes(":") ? `[${address}]` : address;
  const revision = note === undefined ? "" : `&revision=${note}`;
  return `dubbo://${host}:${port}/${name}?interface=${name}${revision}&side=provider&timestamp=1680000000000`;
}

/** What the harness needs of a server, real or fake. */
type TestServer = Pick<ZooKeeper, "address" | "port"> & { restart(): Promise<void> };

/**
 * The contract's harness, with what the ZooKeeper cases need besides. Each `clear` moves on to another
 * chroot.
 */
export interface ZooKeeperHarness extends RegistryHarness {
  readonly server: TestServer;
  /** Another one after each `clear`. */
  readonly writer: ZkWriter;
  /** host:port of the proxy with the chroot, and the chroot alone. */
  address(): string;
  chroot(): string;
  /** Makes a node below the chroot. */
  create(path: string, data?: string): Promise<void>;
  setData(path: string, data: string): Promise<void>;
  /** Deletes a node below the chroot, and everything below it. */
  remove(path: string): Promise<void>;
}

/** On a real server. */
export async function startZooKeeperHarness(version?: ZooKeeperVersion): Promise<ZooKeeperHarness> {
  const server = await startZooKeeper({ tickTime, ...(version && { version }) });
  const operations = (): Promise<string> => ask(server.port, "cons"); // each connection with its last one
  return harnessOn(server, async () => (await operations()).includes("lop=GETC"));
}

/** On the fake, which has the same sessions. */
export async function startFakeZooKeeperHarness(): Promise<ZooKeeperHarness> {
  const server = await startFakeZooKeeper({ maxSessionMs: 20 * tickTime });
  return harnessOn(server, async () => server.faults.reads().length > 0);
}

async function harnessOn(
  server: TestServer & AsyncDisposable,
  isListed: () => Promise<boolean>,
): Promise<ZooKeeperHarness> {
  await using starting = new AsyncDisposableStack();
  starting.use(server);
  const proxy = starting.use(await startProxy("127.0.0.1", server.port));
  let writer = await connectZkWriter(server.address);
  starting.defer(() => writer.close());
  let clears = 0;
  const chroot = (): string => `/contract-${clears}`;
  const address = (): string => `${proxy.address}${chroot()}`;
  const node = (service: string, instance: TestInstance): string =>
    chroot() + providerNode(service, providerUrl(service, instance));
  const remove = async (path: string): Promise<void> => {
    for (const child of await writer.getChildren(chroot() + path)) await remove(`${path}/${child}`);
    await writer.delete(chroot() + path);
  };
  const owned = starting.move();
  return {
    server,
    get writer() {
      return writer;
    },
    proxy,
    chroot,
    address,
    create: (path, data = "") => writer.create(chroot() + path, { data }),
    setData: (path, data) => writer.setData(chroot() + path, data),
    remove,
    open: (deps) => openReader({ address: address() }, deps),
    async openUnauthorized() {
      await writer.create(`${chroot()}/dubbo`, {
        acl: { users: [{ username: "dubbo", password: "right" }] },
      });
      return openReader({ address: address(), credentials: { username: "dubbo", password: "wrong" } });
    },
    openNowhere: async () => openReader({ address: `127.0.0.1:${await freePort()}` }),
    async clear() {
      clears++;
      await writer.close(); // a stall of the machine longer than the 4 s of a session is the trouble of one test only
      writer = await connectZkWriter(server.address);
      await writer.create(chroot());
    },
    async register(service, [first, ...others]) {
      const create = (one: TestInstance) => writer.create(node(service, one)); // to outlive a session that a stall ends
      if (first) await create(first); // with the directories, which each of the others would make at the same time
      await Promise.all(others.map(create));
    },
    async deregister(service, instances) {
      await Promise.all(instances.map((one) => writer.delete(node(service, one))));
    },
    registerMalformed: (service) =>
      writer.create(`${chroot()}/dubbo/${encodeURIComponent(service)}/providers/dubbo%3A%ZZ`),
    untilRead: () =>
      eventually(async () => {
        if (!(await isListed())) throw new Error("nobody lists");
      }, 5_000),
    restart: () => server.restart(),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
