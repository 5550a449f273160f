import { setTimeout as delay } from "node:timers/promises";
import { startDubboProvider } from "../../test/bed/dubbo-provider.ts";
import type { ProviderProcess } from "../../test/bed/provider-process.ts";
import type { ZooKeeper } from "../../test/bed/zookeeper.ts";
import { freePort } from "../../test/support/free-port.ts";
import { type EntryWatch, namespace } from "./cluster.ts";
import type { Writes } from "./zookeeper-operator.ts";

const host = "10.42.0.57";
const entryHost = `org.apache.dubbo.samples.api.greetingservice-1.0.0.${namespace}`;
/** Longer than ZooKeeper's longest session here, in which a killed provider's registration lives on. */
const expiredMs = 13_000;

/**
 * A real provider of Dubbo 2.7 joins. `killed` = what was written when it was killed and started again at once, `ended`
 * = when it was ended, which takes it off the registry, and started again.
 */
export async function restartProvider(
  zooKeeper: ZooKeeper,
  watch: EntryWatch,
  writes: () => Promise<Writes>,
): Promise<{ readonly killed: Writes; readonly ended: Writes }> {
  const port = await freePort();
  const options = { registry: `zookeeper://${zooKeeper.address}`, version: "1.0.0", host, port };
  const known = watch.has(entryHost, host, port);
  let provider = await startDubboProvider(options);
  await known;
  const written = async (end: (one: ProviderProcess) => Promise<void>): Promise<Writes> => {
    const before = await writes();
    await end(provider);
    provider = await startDubboProvider(options);
    await delay(expiredMs);
    const { entries, statuses } = await writes();
    return { entries: entries - before.entries, statuses: statuses - before.statuses };
  };
  try {
    return { killed: await written((one) => one.kill()), ended: await written((one) => one.stop()) };
  } finally {
    await provider.kill();
  }
}
