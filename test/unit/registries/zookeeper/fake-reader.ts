import type { Credentials } from "../../../../src/model/hub.ts";
import type { Snapshot } from "../../../../src/model/service.ts";
import { createZooKeeperAdapter } from "../../../../src/registries/zookeeper/adapter.ts";
import { countingDeps } from "../../../contract/counting-deps.ts";
import { type Observer, observe } from "../../../contract/observe.ts";
import { type FakeZooKeeper, startFakeZooKeeper } from "../../../fakes/zookeeper/server.ts";
import { type FakeClock, fakeClock } from "../../../support/fake-clock.ts";

/** What a reader is opened with where a test needs another than the usual. */
export interface FakeReaderOptions {
  readonly address?: string;
  readonly root?: string;
  readonly credentials?: Credentials;
  readonly wants?: (name: string) => boolean;
  readonly known?: readonly string[];
  readonly failures?: number;
}

/** A fake ZooKeeper and readers of it that share a clock. Real are the sockets between them. */
export interface FakeReading extends AsyncDisposable {
  readonly zk: FakeZooKeeper;
  readonly clock: FakeClock;
  read(options?: FakeReaderOptions): Observer;
  /** The newest snapshot as soon as `check` accepts it. @throws the last error of `check` when so much time has passed. */
  until(observer: Observer, check: (snapshot: Snapshot) => void, withinMs?: number): Promise<Snapshot>;
  /** Lets time pass, and what it brings about happen. */
  pass(ms: number): Promise<void>;
}

/** Time passes in steps, between which sockets have their turn. */
const stepMs = 10;

export async function startFakeReading(options: { readonly root?: string } = {}): Promise<FakeReading> {
  const clock = fakeClock();
  await using starting = new AsyncDisposableStack();
  const zk = starting.use(await startFakeZooKeeper({ clock, ...options }));
  const readers = starting.adopt(new AsyncDisposableStack(), (stack) => stack.disposeAsync());
  const owned = starting.move();
  const step = async (ms = stepMs): Promise<void> => {
    clock.advance(ms);
    for (let turns = 0; turns < 4; turns++) await new Promise((resolve) => setImmediate(resolve));
  };
  return {
    zk,
    clock,
    read({
      address = zk.address,
      root = "/dubbo",
      credentials = {},
      wants = () => true,
      known = [],
      ...more
    } = {}) {
      const registry = {
        type: "zookeeper",
        address,
        root,
        tls: { enabled: false, insecureSkipVerify: false },
      } as const;
      const config = { registry, credentials, wants, known: () => known, ...more };
      return readers.use(observe(createZooKeeperAdapter(config, { ...countingDeps(), clock })));
    },
    async until(observer, check, withinMs = 2_000) {
      const deadline = clock.monotonic() + withinMs;
      for (;;) {
        try {
          const latest = observer.snapshots.at(-1);
          if (latest === undefined) throw new Error("no snapshot yet");
          check(latest);
          return latest;
        } catch (error) {
          if (clock.monotonic() >= deadline) throw error;
          await step();
        }
      }
    },
    async pass(ms) {
      for (const until = clock.monotonic() + ms; clock.monotonic() < until; ) await step(10 * stepMs);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
