import { inParallel } from "../../src/registries/transport/parallel.ts";
import type { ZooKeeper } from "../../test/bed/zookeeper.ts";
import { connectZkWriter, providerPath, type ZkWriter } from "../../test/support/zk-writer.ts";
import { namespace } from "./cluster.ts";

/** How many services there are, and how many providers each has from the start. */
export interface TreeSize {
  readonly services: number;
  readonly instances: number;
}

const inFlight = 32;
/** Changes so far apart are not merged. The floor's are too, because whoever is asked without a pause answers sooner. */
export const apartMs = 50;

/** Dubbo 2.7 services as their providers register them, and whoever registers one provider more. */
export interface ZooKeeperTree extends AsyncDisposable {
  readonly size: TreeSize;
  /** An independent client: what it is told of is the floor. */
  readonly witness: ZkWriter;
  /** Registers one more provider of a service, number `one`. Returns once ZooKeeper has confirmed it. */
  register(service: number, one: number): Promise<void>;
  /** Takes all of those away, and connects anew: a client whose server restarted may wait for it for ever. */
  reset(): Promise<void>;
}

/** Registers so many. */
export async function plantTree(zooKeeper: ZooKeeper, size: TreeSize): Promise<ZooKeeperTree> {
  const { services, instances } = size;
  await using starting = new AsyncDisposableStack();
  let witness = await connectZkWriter(zooKeeper.address);
  starting.defer(() => witness.close());
  await witness.createAll(["/dubbo"]);
  // Persistent, unlike a provider's own: a session of 100,000 ephemeral nodes could not be ended in one transaction.
  await inParallel(Array(services).keys(), inFlight, async (service) => {
    const providers = Array.from({ length: instances }, (_, one) => providerPath(urlOf(service, one)));
    const folder = folderOf(service);
    await witness.createAll([folder.replace(/\/providers$/, ""), folder, ...providers]);
  });
  let registrant = await connectZkWriter(zooKeeper.address);
  starting.defer(() => registrant.close());
  const owned = starting.move();
  return {
    size,
    get witness() {
      return witness;
    },
    register: (service, one) =>
      registrant.createAll([providerPath(urlOf(service, one))], { ephemeral: true }),
    async reset() {
      await Promise.all([registrant.close(), witness.close()]);
      registrant = await connectZkWriter(zooKeeper.address);
      witness = await connectZkWriter(zooKeeper.address);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** The znode whose children are the service's providers. */
export const folderOf = (service: number): string => `/dubbo/${nameOf(service)}/providers`;

/** The host of the service's ServiceEntry. */
export const hostOf = (service: number): string => `${nameOf(service).toLowerCase()}-1.0.0.${namespace}`;

/** Where provider number `one` of a service is: a Pod of its own. */
export function addressOf(service: number, one: number): { readonly ip: string; readonly port: number } {
  return { ip: `10.${42 + one}.${Math.floor(service / 250)}.${(service % 250) + 1}`, port: 20_880 };
}

const nameOf = (service: number): string => `org.example.shop.Service${String(service).padStart(5, "0")}`;

/** As a provider of Dubbo 2.7.23 registers it. */
function urlOf(service: number, one: number): string {
  const { ip, port } = addressOf(service, one);
  const name = nameOf(service);
  const parameters = {
    anyhost: "true",
    application: `shop-${Math.floor(service / 20)}`,
    deprecated: "false",
    dubbo: "2.0.2",
    dynamic: "true",
    generic: "false",
    interface: name,
    "metadata-type": "remote",
    methods: "create,find,list,remove",
    pid: `${1 + one}`,
    release: "2.7.23",
    revision: "1.0.0",
    "service.name": `ServiceBean:/${name}:1.0.0`,
    side: "provider",
    timestamp: `${1_680_000_000_000 + service * 1_000 + one}`,
    version: "1.0.0",
  };
  const query = Object.entries(parameters).map(([key, value]) => `${key}=${value}`);
  return `dubbo://${ip}:${port}/${name}?${query.join("&")}`;
}
