import { freePort } from "../support/free-port.ts";
import { prepareArchive } from "./class-archive.ts";
import { type DubboVersion, dubboArgs, dubboModules } from "./dubbo-java.ts";
import type { PodNetwork } from "./pod-network.ts";
import { type RetiringProvider, retiring, startProvider } from "./provider-process.ts";
import { startZooKeeper } from "./zookeeper.ts";

/** What a Dubbo provider registers, and where. */
export interface DubboProviderOptions {
  /** Default 2.7. */
  readonly dubbo?: DubboVersion;
  /** As Dubbo takes it, e.g. `zookeeper://127.0.0.1:2181` or `nacos://127.0.0.1:8848`. */
  readonly registry: string;
  /** How it logs in to the registry. Default: not at all. */
  readonly login?: { readonly username: string; readonly password: string };
  /** Default `dubbo`; `tri` with 3.3 only. */
  readonly protocol?: "dubbo" | "tri";
  readonly version?: string;
  readonly group?: string;
  /** Where it serves the interface. Default: at its name. */
  readonly path?: string;
  /** Whether its interface has the method `sayGoodbye` too, as a later version of it. Default: no. */
  readonly later?: boolean;
  /** Where it really listens (on all addresses, as Dubbo does) and what it registers. Default: a free one. */
  readonly port?: number;
  /** The address it registers. Default 10.42.0.57; Dubbo refuses 127.0.0.1. */
  readonly host?: string;
  /** Whether it listens on that address alone, which then has to be one of this machine. Default false: on all. */
  readonly listensOnHost?: boolean;
  /** The network that it runs in. It cannot be told to leave its registry there. Default: that of this process. */
  readonly network?: Pick<PodNetwork, "entering">;
  /** Name of its application. Default `demo-provider`. */
  readonly application?: string;
  /** Named in its answers. Default `p1`. */
  readonly id?: string;
  /** Parameters added to the URL of its service. */
  readonly parameters?: Readonly<Record<string, string>>;
  /** Dubbo's own settings, e.g. `"dubbo.application.register-mode": "instance"`. */
  readonly properties?: Readonly<Record<string, string>>;
}

/**
 * Starts a real Dubbo provider of `org.apache.dubbo.samples.api.GreetingService`; returns when it has registered (a second
 * or two). Stopped, it deregisters within 100 ms and takes 4 s to close its port.
 */
export async function startDubboProvider(options: DubboProviderOptions): Promise<RetiringProvider> {
  return launch(options);
}

/** Builds what a provider needs. Returns the class path. */
export function prepareDubbo(dubbo: DubboVersion): Promise<string> {
  return prepareArchive(dubboModules[dubbo], async (flags) => {
    await using zooKeeper = await startZooKeeper();
    const options = { dubbo, registry: `zookeeper://${zooKeeper.address}`, version: "1.0.0" };
    await using provider = await launch(options, flags);
    await provider.stop();
  });
}

async function launch(options: DubboProviderOptions, archive?: readonly string[]): Promise<RetiringProvider> {
  const { dubbo = "2.7", host = "10.42.0.57", port = await freePort(), later = false } = options;
  const qosPort = await freePort();
  const properties = { ...propertiesOf(options, port), "bed.qosPort": String(qosPort) };
  const args = await dubboArgs({ dubbo, mainClass: "Provider", properties, later }, archive);
  const [command = "java", ...rest] = options.network?.entering ?? [];
  const before = options.network ? [...rest, "java"] : rest;
  const provider = await startProvider({
    name: `Dubbo provider ${options.id ?? "p1"}`,
    host,
    port,
    command,
    args: (folder) => [...before, ...args(folder)],
    env: { DUBBO_IP_TO_REGISTRY: host, ...(options.listensOnHost && { DUBBO_IP_TO_BIND: host }) },
    isReady: (log) => /^READY$/m.test(log),
  });
  return retiring(provider, { method: "GET", url: `http://127.0.0.1:${qosPort}/offline` });
}

function propertiesOf(options: DubboProviderOptions, port: number): Record<string, string | undefined> {
  const {
    application = "demo-provider",
    protocol = "dubbo",
    id = "p1",
    parameters = {},
    properties = {},
  } = options;
  const ofUrl = Object.entries(parameters).map(([name, value]) => [`bed.parameter.${name}`, value]);
  return {
    ...properties,
    "bed.registry": options.registry,
    "bed.username": options.login?.username,
    "bed.password": options.login?.password,
    "bed.version": options.version,
    "bed.group": options.group,
    "bed.path": options.path,
    "bed.application": application,
    "bed.protocol": protocol,
    "bed.id": id,
    "bed.port": String(port),
    ...Object.fromEntries(ofUrl),
  };
}
