import { type ConsumerProcess, startConsumer } from "./consumer-process.ts";
import { type DubboVersion, dubboArgs } from "./dubbo-java.ts";

/** How a consumer is started. */
export interface DubboConsumerOptions {
  /** Default 2.7. */
  readonly dubbo?: DubboVersion;
  /** Name of its application. Default `demo-consumer`. */
  readonly application?: string;
  /** A file like /etc/hosts, read at each look-up, which alone resolves names then. Default: as the system does. */
  readonly hostsFile?: string;
  /** Whether its interface has the method `sayGoodbye` too, as that of a provider with `later`. Default: no. */
  readonly later?: boolean;
  /** Dubbo's own settings and the JVM's. */
  readonly properties?: Readonly<Record<string, string>>;
}

/** What is called, directly. All targets with one host and port share a connection, as in any Dubbo consumer. */
export interface DubboTarget {
  /** Not 127.0.0.1 nor localhost, for which Dubbo takes the machine's own address: a name that leads there, or `[::1]`. */
  readonly host: string;
  readonly port: number;
  /** Default `dubbo`; `tri` with 3.3 only. */
  readonly protocol?: "dubbo" | "tri";
  /** Where the provider serves the interface. Default: at its name. */
  readonly path?: string;
  /** Default GreetingService of the Dubbo samples. Another one can only be called generically. */
  readonly interface?: string;
  readonly version?: string;
  readonly group?: string;
  /** Default 3000. */
  readonly timeoutMs?: number;
  /** Default 0. */
  readonly retries?: number;
  /** Parameters of the reference, e.g. `serialization`. */
  readonly parameters?: Readonly<Record<string, string>>;
}

/** A call of `sayHello`, or what is said of it. */
export interface DubboCall {
  readonly to: DubboTarget;
  /** Default `sayHello`; `sayGoodbye` if the consumer was started with `later`; `$echo`; generically any. */
  readonly method?: string;
  /** Default `["world"]`. */
  readonly arguments?: readonly string[];
  /** Through GenericService: `$invoke` on the wire. Default: no, unless the interface is another one. */
  readonly generic?: boolean;
  /** Waits for no answer, and has `null` for one. Default: no. */
  readonly oneWay?: boolean;
  readonly attachments?: Readonly<Record<string, string>>;
  /** Asks the bed's provider to wait before it answers. */
  readonly sleepMs?: number;
  /** Asks the bed's provider for an answer of so many characters. */
  readonly length?: number;
  /** Asks it for something else than a greeting: how many calls there were with this one, or the call's attachments. */
  readonly answer?: "calls" | "attachments";
}

/** A process with a Dubbo SDK that calls without a registry. */
export type DubboConsumer = ConsumerProcess<DubboCall>;

const INTERFACE = "org.apache.dubbo.samples.api.GreetingService";

/** Starts a real Dubbo consumer; it connects when first asked to call. */
export async function startDubboConsumer(options: DubboConsumerOptions = {}): Promise<DubboConsumer> {
  const { dubbo = "2.7", application = "demo-consumer", later = false, hostsFile, properties } = options;
  return startConsumer({
    name: `Dubbo consumer ${application}`,
    command: "java",
    args: await dubboArgs({
      dubbo,
      mainClass: "DubboConsumer",
      later,
      properties: {
        ...properties,
        "bed.application": application,
        "jdk.net.hosts.file": hostsFile,
      },
    }),
    describe,
  });
}

/** As `DubboConsumer.java` takes it. */
function describe(call: DubboCall): object {
  const {
    to,
    method = "sayHello",
    arguments: values = ["world"],
    attachments,
    oneWay,
    sleepMs,
    length,
    answer,
  } = call;
  const generic = call.generic ?? (to.interface !== undefined && to.interface !== INTERFACE);
  return {
    reference: describeReference(to, generic),
    method,
    arguments: values,
    attachments: {
      ...attachments,
      ...(oneWay && { return: "false" }), // what RpcContext.asyncCall(Runnable) does
      ...(sleepMs !== undefined && { "bed.sleep": String(sleepMs) }),
      ...(length !== undefined && { "bed.length": String(length) }),
      ...(answer && { "bed.answer": answer }),
    },
  };
}

function describeReference(target: DubboTarget, generic: boolean): object {
  const {
    host,
    port,
    protocol = "dubbo",
    path,
    version,
    group,
    timeoutMs = 3_000,
    retries = 0,
    parameters = {},
  } = target;
  return {
    interface: target.interface ?? INTERFACE,
    url: `${protocol}://${host}:${port}${path === undefined ? "" : `/${path}`}`,
    generic,
    version,
    group,
    timeout: timeoutMs,
    retries,
    parameters,
  };
}
