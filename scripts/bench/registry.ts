import { setTimeout as delay } from "node:timers/promises";
import type { RegistryHubSpec } from "../../src/model/registryhub.ts";
import type { RegistryAdapter } from "../../src/registries/adapter.ts";
import { startController } from "../../test/support/controllers.ts";
import { type BareReader, readBare } from "./bare-reader.ts";
import { type EntryWatch, namespace, startCluster, watchEntries } from "./cluster.ts";
import { inChunks, ms, percentiles, type Section } from "./table.ts";
import type { WireTap } from "./wire-tap.ts";

const instances = 5;
const restMs = 60_000;
/** What the last change has set in motion. */
const calmMs = 10_000;
const syncMs = 180_000;

/** One instance of the bench's services, as each registry spells it. */
export interface BenchInstance {
  readonly ip: string;
  readonly port: number;
}

/** A real registry, empty at first. */
export interface BenchRegistry {
  /** With its version. */
  readonly name: string;
  /** What registers in it. */
  readonly registrant: string;
  /** What a hub needs to read it through `tap`. */
  readonly spec: Pick<RegistryHubSpec, "type" | "address" | "nacos" | "eureka" | "consul">;
  /** Counts the operator's requests, and its connections. */
  readonly tap: WireTap;
  /** A reader of the whole registry, beside the tap. */
  adapter(): RegistryAdapter;
  register(service: string, instances: readonly BenchInstance[]): Promise<void>;
  /** As in `Service.id`. */
  idOf(service: string): string;
  hostOf(service: string, namespace: string): string;
}

/** How much is measured. */
export interface BenchSize {
  readonly services: number;
  /** How often one more instance is registered. */
  readonly changes: number;
}

/**
 * What a hub costs and how soon it follows: the bundled hub-controller, and an API watch; next to it a bare reader of the
 * same registry, which is the floor.
 */
export async function benchRegistry(registry: BenchRegistry, size: BenchSize): Promise<Section> {
  await inChunks(size.services, (at) => {
    const all = Array.from({ length: instances }, (_, one) => instanceOf(at, one));
    return registry.register(nameOf(at), all);
  });
  await using api = await startCluster();
  await using watch = await watchEntries(api);
  await using floor = readBare(registry.adapter());
  await using _controller = await startController("hub-controller", api.kubeconfig);

  const appliedAt = performance.now();
  await api.kubectl(["apply", "-f", "-"], { input: JSON.stringify(hubOf(registry)) });
  const syncedMs = (await watch.reached(size.services, syncMs)) - appliedAt;
  await delay(calmMs);
  const before = watch.events;
  const followed = await follow(registry, size, watch, floor);
  await delay(calmMs);
  const written = watch.events - before;
  const rest = await atRest(registry.tap, watch);
  const { name, registrant, tap } = registry;
  const rows = [
    { what: "first sync", value: ms(syncedMs) },
    {
      what: `registration by ${registrant} → API watch, ${size.changes} times`,
      value: percentiles(followed.watch),
      floor: `${percentiles(followed.bare)} (a bare reader)`,
    },
    { what: `ServiceEntry writes for ${size.changes} changes`, value: String(written) },
    { what: "connections at once, at most", value: String(tap.most) },
    ...(rest.requests === ""
      ? []
      : [{ what: `requests in ${restMs / 1_000} s at rest`, value: rest.requests }]),
    { what: `ServiceEntry writes in ${restMs / 1_000} s at rest`, value: String(rest.writes) },
  ];
  return { title: `${name}, ${size.services} × ${instances}`, rows };
}

const nameOf = (at: number): string => `org.example.Service${String(at).padStart(4, "0")}`;

function instanceOf(service: number, one: number): BenchInstance {
  return { ip: `10.42.${Math.floor(service / 250)}.${(service % 250) + 1}`, port: 20_880 + one };
}

const hubOf = ({ spec }: BenchRegistry) => ({
  apiVersion: "ecns.easystack.cn/v1alpha1",
  kind: "RegistryHub",
  metadata: { name: "bench", namespace },
  spec: { generate_to: namespace, ...spec },
});

/** One more instance of one service after the other; how long it took until each party had it, in ms. */
async function follow(registry: BenchRegistry, size: BenchSize, watch: EntryWatch, bare: BareReader) {
  const times = { watch: [] as number[], bare: [] as number[] };
  for (let change = 0; change < size.changes; change++) {
    const at = (change * 7) % size.services;
    const added = instanceOf(at, instances + Math.floor((change * 7) / size.services));
    const service = nameOf(at);
    const start = performance.now();
    const both = Promise.all([
      watch.has(registry.hostOf(service, namespace), added.ip, added.port),
      bare.has(registry.idOf(service), added.ip, added.port),
    ]);
    await registry.register(service, [added]);
    const [watched, seen] = await both;
    times.watch.push(watched - start);
    times.bare.push(seen - start);
  }
  return times;
}

async function atRest(tap: WireTap, watch: EntryWatch) {
  tap.reset();
  const before = watch.events;
  await delay(restMs);
  const requests = [...tap.counts].map(([what, count]) => `${count} ${what}`).join(", ");
  return { requests, writes: watch.events - before };
}
