import type { RegistryError } from "../../../../src/model/errors.ts";
import type { Snapshot } from "../../../../src/model/service.ts";
import { createConsulAdapter } from "../../../../src/registries/consul/adapter.ts";
import { type FakeConsul, type FakeConsulOptions, startFakeConsul } from "../../../fakes/consul/server.ts";
import { type FakeClock, fakeClock } from "../../../support/fake-clock.ts";
import { silentLogger } from "../../../support/model.ts";

export interface ReaderOptions {
  readonly token?: string;
  readonly wants?: (name: string) => boolean;
  readonly known?: () => Iterable<string>;
  /** Default: the server's. */
  readonly address?: string;
}

/** The operator's reader of a Consul in this process, on a clock that stands still. */
export interface Reading extends AsyncDisposable {
  readonly server: FakeConsul;
  readonly clock: FakeClock;
  readonly snapshots: readonly Snapshot[];
  /** What the watch threw; undefined = it goes on. */
  readonly error: RegistryError | undefined;
  readonly warnings: readonly string[];
  /** The addresses of each service of the newest snapshot; "unknown"; "+?" = and perhaps more. */
  readonly listed: Readonly<Record<string, string>>;
  /** Lets time pass: at each timer everything that is due has happened. */
  pass(ms: number): Promise<void>;
}

/** A server with these services, an instance each, and a reader that has listed it. */
export async function startReading(
  services: readonly string[],
  server: FakeConsulOptions = {},
  reader: ReaderOptions = {},
): Promise<Reading> {
  const clock = fakeClock();
  const consul = await startFakeConsul({ ...server, clock });
  for (const service of services) consul.register(service, [{ address: "10.42.0.1", port: 80 }]);
  return readOf(consul, clock, reader);
}

export async function readOf(
  server: FakeConsul,
  clock: FakeClock,
  options: ReaderOptions = {},
): Promise<Reading> {
  const { token, wants = () => true, known = () => [], address = server.address } = options;
  const tls = { enabled: false, insecureSkipVerify: false };
  const warnings: string[] = [];
  const logger = { ...silentLogger, warn: (message: string) => void warnings.push(message) };
  const adapter = createConsulAdapter(
    {
      registry: { type: "consul", address, datacenter: "", tags: [], includeWarning: false, tls },
      credentials: { ...(token !== undefined && { token }) },
      wants,
      known,
    },
    { clock, random: () => 0.5, logger },
  );
  const stop = new AbortController();
  const snapshots: Snapshot[] = [];
  let error: RegistryError | undefined;
  const ended = (async () => {
    try {
      for await (const snapshot of adapter.watch(stop.signal)) snapshots.push(snapshot);
    } catch (thrown) {
      error = thrown as RegistryError;
    }
  })();
  const reading: Reading = {
    server,
    clock,
    snapshots,
    warnings,
    get error() {
      return error;
    },
    get listed() {
      const services = [...(snapshots.at(-1)?.services.values() ?? [])];
      return Object.fromEntries(
        services.map(({ name, instances, isPartial }) => [
          name,
          instances === "unknown"
            ? "unknown"
            : `${instances.map((one) => one.address).join(" ")}${isPartial ? " +?" : ""}`,
        ]),
      );
    },
    async pass(ms) {
      const until = clock.monotonic() + ms;
      for (;;) {
        await server.quiet();
        const next = clock.nextInMs;
        const left = until - clock.monotonic();
        if (next === undefined || next > left) break;
        clock.advance(next);
      }
      clock.advance(until - clock.monotonic());
      await server.quiet();
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await ended;
      await server[Symbol.asyncDispose]();
    },
  };
  await reading.pass(1_000);
  return reading;
}
