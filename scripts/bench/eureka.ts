import { setTimeout as delay } from "node:timers/promises";
import type { RegistryAdapter } from "../../src/registries/adapter.ts";
import { createEurekaAdapter, parseEurekaAddress } from "../../src/registries/eureka/adapter.ts";
import { createEurekaApi } from "../../src/registries/eureka/api.ts";
import { EurekaReader } from "../../src/registries/eureka/state.ts";
import { createHttpClient } from "../../src/registries/transport/http-client.ts";
import { startEureka } from "../../test/bed/eureka.ts";
import { startController } from "../../test/support/controllers.ts";
import { type EurekaInstance, type EurekaRest, eurekaRest } from "../../test/support/eureka-rest.ts";
import { readBare } from "./bare-reader.ts";
import { deps, type EntryWatch, namespace, startCluster, watchEntries } from "./cluster.ts";
import { inChunks, ms, percentiles, type Row, type Section } from "./table.ts";
import { startWireTap } from "./wire-tap.ts";

const instances = 10;
const changes = 40;
const restMs = 60_000;
const pollIntervalMs = 5_000;
const reads = 10;

const nameOf = (at: number): string => `APPLICATION-${String(at).padStart(4, "0")}`;
const instance = (at: number, one: number): EurekaInstance => ({
  ip: `10.${100 + Math.floor(at / 250)}.${at % 250}.${one + 1}`,
  port: 8080,
  metadata: { "management.port": "8080", version: "v1" },
});

/**
 * What a hub of type eureka costs and how soon it follows: a real server that lists what is registered at once, so that
 * all the time is ours; the bundled hub-controller, and an API watch; next to it a bare reader, which is the floor.
 */
export async function benchEureka(applications: number): Promise<Section> {
  const properties = { "eureka.server.use-read-only-response-cache": "false" };
  await using eureka = await startEureka({ properties });
  await using rest = eurekaRest(eureka);
  await inChunks(applications, async (at) => {
    for (let one = 0; one < instances; one++) await rest.register(nameOf(at), instance(at, one));
  });
  const costs = await costOfPolls(eureka.address, rest);
  await using api = await startCluster();
  await using tap = await startWireTap(eureka.port, /GET \/eureka\/[a-z]+/g);
  await using watch = await watchEntries(api);
  await using _controller = await startController("hub-controller", api.kubeconfig);

  const appliedAt = performance.now();
  const address = `http://127.0.0.1:${tap.port}/eureka`;
  await api.kubectl(["apply", "-f", "-"], { input: JSON.stringify(hubAt(address)) });
  const syncMs = (await watch.reached(applications, 120_000)) - appliedAt;
  const followed = await follow(rest, watch, eureka.address, applications);
  await delay(10_000); // what the last change has set in motion
  tap.reset();
  const atRest = await writesWithin(watch, restMs);
  const requests = [...tap.counts].map(([request, count]) => `${count} ${request}`).join(", ");
  await eureka.restart();
  const restarted = await writesWithin(watch, restMs);
  const rows = [
    ...costs,
    { what: "first sync", value: ms(syncMs) },
    {
      what: `listed by the server → API watch, ${changes} times, polled every ${pollIntervalMs / 1_000} s`,
      value: percentiles(followed.watch),
      floor: `${percentiles(followed.bare)} (a bare reader)`,
    },
    { what: `ServiceEntry writes for ${changes} changed applications`, value: String(followed.writes) },
    { what: `requests in ${restMs / 1_000} s at rest`, value: requests },
    { what: `ServiceEntry writes in ${restMs / 1_000} s at rest`, value: String(atRest) },
    {
      what: `ServiceEntry writes in ${restMs / 1_000} s after the server was killed and restarted empty`,
      value: String(restarted),
    },
  ];
  return { title: `Eureka, ${applications} × ${instances}`, rows };
}

const hubAt = (address: string) => ({
  apiVersion: "ecns.easystack.cn/v1alpha1",
  kind: "RegistryHub",
  metadata: { name: "bench", namespace },
  spec: { generate_to: namespace, type: "eureka", address },
});

function adapterAt(address: string): RegistryAdapter {
  const tls = { enabled: false, insecureSkipVerify: false };
  const registry = { type: "eureka", address, tls, pollIntervalMs } as const;
  return createEurekaAdapter({ registry, credentials: {}, wants: () => true }, deps);
}

/** What reading costs this process, while it does nothing else. */
async function costOfPolls(address: string, rest: EurekaRest): Promise<readonly Row[]> {
  const stop = new AbortController();
  const [server] = parseEurekaAddress(address);
  if (server === undefined) throw new Error(`${address} names no server`);
  const http = createHttpClient({ connections: 1 }, deps.clock, stop.signal);
  const reader = new EurekaReader(createEurekaApi(http, server, {}), { wants: () => true }, deps.clock);
  const extra = instance(0, instances);
  const read = async () => {
    const [startedAt, before] = [performance.now(), process.cpuUsage()];
    await reader.read();
    const { user, system } = process.cpuUsage(before);
    return { wall: performance.now() - startedAt, cpu: (user + system) / 1_000 };
  };
  const row = (what: string, all: readonly Awaited<ReturnType<typeof read>>[]): Row => ({
    what: `a poll: ${what}`,
    value: `CPU ${percentiles(all.map(({ cpu }) => cpu))}; answered and read ${percentiles(all.map(({ wall }) => wall))}`,
  });
  const first = [await read()];
  const same = [];
  for (let at = 0; at < reads; at++) same.push(await read());
  const renewed = [];
  for (let at = 0; at < reads; at++) {
    await (at % 2 === 0 ? rest.register(nameOf(0), extra) : rest.deregister(nameOf(0), extra)); // all times change with it
    renewed.push(await read());
  }
  stop.abort();
  return [
    row("the first", first),
    row("the answer is the same", same),
    row("one application changed", renewed),
  ];
}

/** One more instance of one application after the other; how long it took until each party had it. */
async function follow(rest: EurekaRest, watch: EntryWatch, address: string, applications: number) {
  await using bare = readBare(adapterAt(address));
  const times = { watch: [] as number[], bare: [] as number[] };
  const before = watch.events;
  for (let change = 0; change < changes; change++) {
    const at = (change * 7) % applications;
    const added = instance(at, instances);
    await delay(Math.random() * pollIntervalMs); // or each change would come right after a poll
    const host = `${nameOf(at).toLowerCase()}.${namespace}`;
    const both = Promise.all([
      watch.has(host, added.ip, added.port),
      bare.has(nameOf(at), added.ip, added.port),
    ]);
    await rest.register(nameOf(at), added);
    const listedAt = performance.now();
    const [watched, seen] = await both;
    times.watch.push(watched - listedAt);
    times.bare.push(seen - listedAt);
  }
  return { ...times, writes: watch.events - before };
}

async function writesWithin(watch: EntryWatch, forMs: number): Promise<number> {
  const before = watch.events;
  await delay(forMs);
  return watch.events - before;
}
