import { setTimeout as delay } from "node:timers/promises";
import { createClient } from "../../src/kube/client.ts";
import { createReflector, type Reflector } from "../../src/kube/reflector.ts";
import { resources } from "../../src/kube/resources.ts";
import type { ServiceEntry } from "../../src/model/istio.ts";
import { createNacosAdapter } from "../../src/registries/nacos/adapter.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import type { Deps } from "../../src/runtime/deps.ts";
import { createLogger } from "../../src/runtime/logger.ts";
import { type ApiServer, startApiServer } from "../../test/bed/api-server.ts";
import { startNacos } from "../../test/bed/nacos.ts";
import { type NacosAgent, type NacosInstance, startNacosAgent } from "../../test/bed/nacos-agent.ts";
import type { NacosVersion } from "../../test/bed/nacos-api.ts";
import { startController } from "../../test/support/controllers.ts";
import { eventually } from "../../test/support/eventually.ts";
import { freePort } from "../../test/support/free-port.ts";
import { quantile, type Row } from "./table.ts";
import { startWireTap, type WireTap } from "./wire-tap.ts";

const services = 1_000;
const instances = 5;
const changes = 200;
const restMs = 60_000;
const namespace = "bench";
const group = "DEFAULT_GROUP";

const nameOf = (at: number): string => `org.example.Service${String(at).padStart(4, "0")}`;
const nacosNameOf = (name: string): string => `providers:${name}:1.0.0:`;
const hostOf = (name: string): string => `${name.toLowerCase()}-1.0.0.${namespace}`;

/**
 * What a hub of type nacos costs and how soon it follows: a real server, the Java client as the provider, the bundled
 * hub-controller, and an API watch; next to it a bare reader of the same registry, which is the floor.
 */
export async function benchNacos(version: NacosVersion): Promise<readonly Row[]> {
  const crd = new URL("../../crds/registryhub.yaml", import.meta.url).pathname;
  await using nacos = await startNacos({ version });
  await using agent = await startNacosAgent({ address: nacos.address });
  await inChunks(services, (at) =>
    agent.register(
      nacosNameOf(nameOf(at)),
      group,
      Array.from({ length: instances }, (_, one) => instance(at, one)),
    ),
  );
  await using api = await startApiServer();
  await api.applyCrds();
  await api.kubectl(["apply", "-f", crd]);
  await api.kubectl(["wait", "--for=condition=Established", "-f", crd]);
  await api.kubectl(["create", "namespace", namespace]);
  const port = await freePort([1000]);
  await using tap = await startWireTap(nacos.port + 1000, /[A-Z][A-Za-z]+Request\b/g, port + 1000);
  await using watch = watchEntries(api);
  await using floor = readBare(nacos.address);
  await using _controller = await startController("hub-controller", api.kubeconfig);

  const appliedAt = performance.now();
  await api.kubectl(["apply", "-f", "-"], { input: JSON.stringify(hubAt(`127.0.0.1:${port}`)) });
  await eventually(() => watch.expectEntries(services), 120_000);
  const syncMs = performance.now() - appliedAt;
  const followed = await follow(agent, watch, floor);
  const rest = await atRest(tap, watch);
  const shown = ({ seen }: { readonly seen: readonly number[] }): string =>
    `p50 ${ms(quantile(seen, 0.5))}, p99 ${ms(quantile(seen, 0.99))}`;
  return [
    { what: `Nacos ${version}: first sync of ${services} × ${instances}`, value: ms(syncMs) },
    {
      what: `registration by the Java client → API watch, ${changes} times`,
      value: shown({ seen: followed.watch }),
      floor: `${shown({ seen: followed.bare })} (a bare reader)`,
    },
    { what: "gRPC connections since the start", value: String(tap.connections) },
    { what: `requests in ${restMs / 1_000} s at rest`, value: rest.requests },
    { what: `ServiceEntry writes in ${restMs / 1_000} s at rest`, value: String(rest.writes) },
  ];
}

const ms = (value: number): string =>
  value < 1_000 ? `${Math.round(value)} ms` : `${(value / 1_000).toFixed(2)} s`;

function instance(service: number, one: number): NacosInstance {
  const name = nameOf(service);
  const ip = `10.42.${Math.floor(service / 250)}.${(service % 250) + 1}`;
  const metadata = {
    application: "bench",
    category: "providers",
    deprecated: "false",
    dubbo: "2.0.2",
    dynamic: "true",
    generic: "false",
    interface: name,
    methods: "sayHello",
    path: name,
    protocol: "dubbo",
    release: "2.7.23",
    revision: "1.0.0",
    side: "provider",
    timestamp: "1680000000000",
    version: "1.0.0",
  };
  return { ip, port: 20_880 + one, metadata };
}

const hubAt = (address: string) => ({
  apiVersion: "ecns.easystack.cn/v1alpha1",
  kind: "RegistryHub",
  metadata: { name: "bench", namespace },
  spec: { generate_to: namespace, type: "nacos", address, nacos: { groups: [group] } },
});

/** One more instance of one service after the other; how long it took until each party had it. */
async function follow(agent: NacosAgent, watch: EntryWatch, bare: BareReader) {
  const times = { watch: [] as number[], bare: [] as number[] };
  for (let change = 0; change < changes; change++) {
    const at = (change * 7) % services;
    const added = instance(at, instances);
    const start = performance.now();
    const both = Promise.all([
      watch.has(hostOf(nameOf(at)), added.ip, added.port),
      bare.has(nameOf(at), added.ip, added.port),
    ]);
    await agent.register(nacosNameOf(nameOf(at)), group, [added]);
    const [watched, seen] = await both;
    times.watch.push(watched - start);
    times.bare.push(seen - start);
  }
  return times;
}

async function atRest(tap: WireTap, watch: EntryWatch) {
  await delay(10_000); // what the last change has set in motion
  tap.reset();
  const before = watch.events;
  await delay(restMs);
  const requests = [...tap.counts].map(([type, count]) => `${count} ${type}`).join(", ");
  return { requests, writes: watch.events - before };
}

async function inChunks(count: number, run: (at: number) => Promise<void>): Promise<void> {
  for (let from = 0; from < count; from += 50)
    await Promise.all(Array.from({ length: Math.min(50, count - from) }, (_, at) => run(from + at)));
}

const deps: Deps = {
  clock: systemClock,
  random: Math.random,
  logger: createLogger("error", { write: () => undefined }),
};

interface EntryWatch extends AsyncDisposable {
  /** Events of entries so far. */
  readonly events: number;
  expectEntries(count: number): void;
  /** In performance.now(). */
  has(host: string, ip: string, port: number): Promise<number>;
}

/** The ServiceEntries as an API client sees them. */
function watchEntries(api: ApiServer): EntryWatch {
  const stop = new AbortController();
  const client = createClient({ kubeconfig: api.kubeconfig, userAgent: "bench", concurrency: 4 }, deps);
  const entries: Reflector<ServiceEntry> = createReflector(client, resources.serviceEntries, {}, deps);
  const waiting = new Map<
    string,
    { readonly isThere: (entry: ServiceEntry) => boolean; readonly resolve: (at: number) => void }
  >();
  let events = 0;
  entries.subscribe((keys) => {
    const now = performance.now();
    for (const key of keys) {
      events++;
      const entry = entries.objects.get(key);
      const host = entry?.spec.hosts?.[0] ?? "";
      const waiter = waiting.get(host);
      if (entry && waiter?.isThere(entry)) waiter.resolve(now);
    }
  });
  const running = entries.run(stop.signal);
  return {
    get events() {
      return events;
    },
    expectEntries(count) {
      if (entries.objects.size < count) throw new Error(`${entries.objects.size} of ${count} entries`);
    },
    async has(host, ip, port) {
      const isThere = ({ spec }: ServiceEntry): boolean =>
        (spec.endpoints ?? []).some(
          (one) => one.address === ip && Object.values(one.ports ?? {}).includes(port),
        );
      const { promise, resolve } = Promise.withResolvers<number>();
      waiting.set(host, { isThere, resolve });
      const at = await promise;
      waiting.delete(host);
      return at;
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
      await client.close();
    },
  };
}

interface BareReader extends AsyncDisposable {
  /** In performance.now(). */
  has(name: string, ip: string, port: number): Promise<number>;
}

/** A reader of our own without an operator behind it. */
function readBare(address: string): BareReader {
  const stop = new AbortController();
  const tls = { enabled: false, insecureSkipVerify: false };
  const registry = { type: "nacos", address, tls, namespace: "", groups: [group] } as const;
  const adapter = createNacosAdapter({ registry, credentials: {}, wants: () => true }, deps);
  let waiter:
    | { readonly id: string; readonly addr: string; readonly resolve: (at: number) => void }
    | undefined;
  const reading = (async () => {
    for await (const { services: all } of adapter.watch(stop.signal)) {
      const found = waiter && all.get(waiter.id)?.instances;
      if (typeof found !== "object" || !waiter) continue;
      if (found.some((one) => `${one.address}:${one.port}` === waiter?.addr))
        waiter.resolve(performance.now());
    }
  })();
  return {
    has(name, ip, port) {
      const { promise, resolve } = Promise.withResolvers<number>();
      waiter = { id: `${group}@@${name}`, addr: `${ip}:${port}`, resolve };
      return promise;
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await reading;
    },
  };
}
