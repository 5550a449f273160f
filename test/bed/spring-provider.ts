import { freePort } from "../support/free-port.ts";
import { archiveFlags, prepareArchive } from "./class-archive.ts";
import { startConsul } from "./consul.ts";
import { startEureka } from "./eureka.ts";
import { classPath, type JavaModule, javaFlags, systemProperties } from "./java.ts";
import { startNacos } from "./nacos.ts";
import { type RetiringProvider, retiring, startProvider } from "./provider-process.ts";

/** The registries whose Spring Cloud client a provider can have. */
export type SpringRegistry = "nacos" | "eureka" | "consul";

/** What a Spring Cloud application registers, and where. */
export interface SpringProviderOptions {
  readonly registry: SpringRegistry;
  /** `<host>:<port>`; of Eureka the URL, several separated by commas. */
  readonly address: string;
  /** How it logs in there; Consul's token is one of `properties`. Default: not at all. */
  readonly login?: { readonly username: string; readonly password: string };
  /** Its name, and the service's. Default `demo-application`. */
  readonly application?: string;
  /** The address it registers. Default 127.0.0.1. */
  readonly ip?: string;
  /** Listens on that address only. Default: on 127.0.0.1. */
  readonly listensOnHost?: boolean;
  /** Where it listens and what it registers. Default: a free one. */
  readonly port?: number;
  /** Spring's own settings, e.g. `"spring.cloud.nacos.discovery.metadata.zone": "a"`. */
  readonly properties?: Readonly<Record<string, string>>;
}

type Filled = SpringProviderOptions & Required<Pick<SpringProviderOptions, "application" | "ip" | "port">>;

interface Client {
  readonly module: JavaModule;
  /** What its log says once it is registered. */
  readonly registered: RegExp;
  readonly properties: (options: Filled) => Readonly<Record<string, string>>;
  /** A server to register in while the classes are archived. */
  readonly startServer: () => Promise<{ readonly address: string } & AsyncDisposable>;
}

const READY = /^READY$/m;
const LOOPBACK = "127.0.0.1";

const clients: Readonly<Record<SpringRegistry, Client>> = {
  nacos: {
    module: "spring-nacos",
    registered: READY,
    properties: ({ address, login, ip }) => ({
      "nacos.logging.default.config.enabled": "false", // it would write log files
      ...prefixed("spring.cloud.nacos.discovery.", {
        "server-addr": address,
        username: login?.username ?? "",
        password: login?.password ?? "",
        ip,
      }),
    }),
    startServer: () => startNacos({ version: "2.3" }),
  },
  eureka: {
    module: "spring-eureka",
    registered: /registration status: 204/, // it registers in the background
    properties: ({ address, login, ip }) => ({
      "logging.level.com.netflix.discovery.DiscoveryClient": "info",
      ...prefixed("eureka.client.", {
        "service-url.defaultZone": withLogin(address, login),
        "fetch-registry": "false",
        "initial-instance-info-replication-interval-seconds": "0",
      }),
      ...prefixed("eureka.instance.", {
        "ip-address": ip,
        "prefer-ip-address": "true",
        "lease-renewal-interval-in-seconds": "1",
        "lease-expiration-duration-in-seconds": "3",
      }),
    }),
    startServer: () => startEureka(),
  },
  consul: {
    module: "spring-consul",
    registered: READY,
    properties: ({ address, ip }) => ({
      "spring.cloud.consul.host": address.split(":")[0] ?? "",
      "spring.cloud.consul.port": address.split(":")[1] ?? "",
      ...prefixed("spring.cloud.consul.discovery.", {
        "ip-address": ip,
        "prefer-ip-address": "true",
        "heartbeat.enabled": "true",
        "heartbeat.ttl": "3s",
      }),
    }),
    startServer: () => startConsul(),
  },
};

/** Starts a real Spring Cloud application that answers `GET /hello`; returns when it has registered (some seconds). */
export async function startSpringProvider(options: SpringProviderOptions): Promise<RetiringProvider> {
  return launch(options, await archiveFlags(clients[options.registry].module));
}

/** Builds what a provider needs. Returns the class path. */
export function prepareSpring(registry: SpringRegistry): Promise<string> {
  const { module, startServer } = clients[registry];
  return prepareArchive(module, async (flags) => {
    await using server = await startServer();
    await using provider = await launch({ registry, address: server.address }, flags);
    await provider.stop();
  });
}

async function launch(options: SpringProviderOptions, archive: readonly string[]): Promise<RetiringProvider> {
  const { application = "demo-application", ip = "127.0.0.1", port = await freePort() } = options;
  const { module, registered } = clients[options.registry];
  const classes = await classPath(module);
  const provider = await startProvider({
    name: `Spring application ${application}`,
    host: ip,
    port,
    command: "java",
    args: (folder) => [
      ...javaFlags,
      ...archive,
      ...systemProperties(propertiesOf({ ...options, application, ip, port }, folder)),
      "-cp",
      classes,
      "registryhub.bed.SpringProvider",
    ],
    isReady: (log) => [READY, registered].every((it) => it.test(log)),
  });
  const url = `http://${options.listensOnHost ? ip : LOOPBACK}:${port}/offline`;
  return retiring(provider, { method: "POST", url });
}

function propertiesOf(options: Filled, folder: string): Record<string, string> {
  return {
    "user.home": folder, // the clients keep their cache files there
    "java.io.tmpdir": folder,
    "logging.level.root": "warn",
    "spring.main.banner-mode": "off",
    "spring.application.name": options.application,
    "server.address": options.listensOnHost ? options.ip : LOOPBACK,
    "server.port": String(options.port),
    ...clients[options.registry].properties(options),
    ...options.properties,
  };
}

const prefixed = (prefix: string, values: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [`${prefix}${name}`, value]));

/** Eureka's client takes its login from the URLs. */
function withLogin(addresses: string, login: SpringProviderOptions["login"]): string {
  const user = login ? `${login.username}:${login.password}@` : "";
  return addresses
    .split(",")
    .map((one) => one.replace("://", `://${user}`))
    .join(",");
}
