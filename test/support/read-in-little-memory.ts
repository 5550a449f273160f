import { setTimeout } from "node:timers/promises";
import { RegistryError } from "../../src/model/errors.ts";
import type { RegistryType } from "../../src/model/hub.ts";
import type { RegistryAdapter, RegistryConfig } from "../../src/registries/adapter.ts";
import { createConsulAdapter } from "../../src/registries/consul/adapter.ts";
import { createEurekaAdapter } from "../../src/registries/eureka/adapter.ts";
import { inParallel } from "../../src/registries/transport/parallel.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { createRegistryLimits } from "../../src/runtime/registry-limits.ts";
import { silentLogger } from "./model.ts";

/** What a process of its own reads: registries that answer badly, once, and a calm one until it is told to stop. */
export interface Task {
  readonly bad: readonly { readonly name: string; readonly type: RegistryType; readonly address: string }[];
  readonly calm: string;
}

interface Outcome {
  readonly outcome: string;
  readonly problems: readonly string[];
}

/** A line of its output: what one of the bad ones came to, or how many instances the calm one lists now. */
export type Line =
  | ({ readonly name: string } & Outcome)
  | { readonly calm: number }
  | { readonly longestMs: number };

const tls = { enabled: false, insecureSkipVerify: false };
const deps = {
  clock: systemClock,
  logger: silentLogger,
  random: Math.random,
  limits: createRegistryLimits(),
};
const common = { credentials: {}, wants: () => true } satisfies Omit<RegistryConfig, "registry">;
const say = (line: Line): unknown => process.stdout.write(`${JSON.stringify(line)}\n`);

function adapterOf(type: RegistryType, address: string): RegistryAdapter {
  if (type === "eureka")
    return createEurekaAdapter({ ...common, registry: { type, address, pollIntervalMs: 1_000, tls } }, deps);
  const registry = { type: "consul", address, datacenter: "", tags: [], includeWarning: false, tls } as const;
  return createConsulAdapter({ ...common, registry }, deps);
}

/** The first listing, or why there is none; while the others have all the memory or the processor, it is tried again. */
async function outcomeOf(type: RegistryType, address: string): Promise<Outcome> {
  for (let tries = 1; ; tries++) {
    try {
      for await (const { services } of adapterOf(type, address).watch(new AbortController().signal)) {
        const all = [...services.values()];
        const problems = all.flatMap((one) => one.problems.map(({ at, detail }) => `${at}: ${detail}`));
        return { outcome: `${all.length} services`, problems: problems.slice(0, 30) };
      }
    } catch (error) {
      const isBusy = error instanceof RegistryError && error.code === "RegistryUnreachable";
      if (!isBusy || tries === 10) return { outcome: String(error), problems: [] };
    }
    await setTimeout(Math.random() * 1_000);
  }
}

async function watchCalm(address: string): Promise<void> {
  for await (const { services } of adapterOf("consul", address).watch(new AbortController().signal)) {
    const [instances = []] = [...services.values()].map((one) => one.instances);
    say({ calm: instances.length });
  }
}

/** The longest time for which nothing else had its turn, from now on. */
function watchTurns(): () => number {
  let longest = 0;
  let last = performance.now();
  setInterval(() => {
    longest = Math.max(longest, performance.now() - last - 5);
    last = performance.now();
  }, 5).unref();
  return () => Math.round(longest);
}

const { bad, calm } = JSON.parse(process.argv[2] ?? "") as Task;
void watchCalm(calm);
const longest = watchTurns();
await new Promise((resolve) => process.stdin.once("data", resolve));
// Two at a time, because more of this size take turns anyway, and would be told that they waited too long.
await inParallel(bad, 2, async ({ name, type, address }) => {
  say({ name, ...(await outcomeOf(type, address)) });
});
say({ longestMs: longest() });
process.exit(0);
