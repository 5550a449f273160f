import { join } from "node:path";
import { freePort } from "../support/free-port.ts";
import { type EnvoyAdmin, envoyAdmin } from "./envoy-admin.ts";
import { envoyBinary } from "./envoy-binary.ts";
import { istioVersion } from "./istio-binaries.ts";
import type { Istiod } from "./istiod.ts";
import { proxyGroup } from "./mesh-namespace.ts";
import { awaitReady, type ServerProcess, startServerProcess } from "./server-process.ts";
import { statusOf } from "./tcp.ts";
import { temporaryFolder } from "./watchdog.ts";

/** Whose sidecar it is. */
export interface SidecarOptions {
  readonly istiod: Istiod;
  /** Of the application beside it. Default `consumer`. */
  readonly namespace?: string;
  /** Of the application's pod. Default `consumer`. */
  readonly name?: string;
  /** After how many seconds connections through a listener that changed are cut. Default 45, as Istio's agent has it. */
  readonly drainSeconds?: number;
}

/** An Envoy as Istio's agent starts it beside an application. Disposal kills it. */
export interface Sidecar extends EnvoyAdmin, AsyncDisposable {
  readonly name: string;
  /** Of Envoy, or of the agent that has started it. */
  readonly pid: number;
  /** Whether it resolves the names of services for whoever is beside it. */
  readonly answersDns: boolean;
  isRunning(): boolean;
  readLog(): string;
}

/** The address of the pod that a sidecar is in. Nobody listens there: what comes in is not captured. */
export const podIp = "10.42.255.1";

/** Starts a sidecar in the mesh's namespace; returns when it has its first configuration (less than a second). */
export async function startSidecar(options: SidecarOptions): Promise<Sidecar> {
  const { drainSeconds = 45 } = options;
  const admin = await freePort();
  await using starting = new AsyncDisposableStack();
  const folder = starting.use(temporaryFolder("envoy")).path;
  const config = ["--config-yaml", JSON.stringify(bootstrap(options, admin))];
  const flags = [
    ...config,
    "--concurrency",
    "1",
    "--disable-hot-restart",
    "--drain-time-s",
    String(drainSeconds),
    "--drain-strategy",
    "immediate",
    "--log-level",
    "warning",
  ];
  const server = await startServerProcess({
    name: "Envoy",
    command: "setpriv",
    args: ["--regid", String(proxyGroup), "--clear-groups", await envoyBinary(), ...flags],
    cwd: folder,
    logFile: join(folder, "envoy.log"),
  });
  starting.defer(() => server.kill());
  const running = await untilConfigured(server, admin);
  const owned = starting.move();
  return {
    ...running,
    name: "Envoy",
    answersDns: false,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Waits until the Envoy of a sidecar's process, whose admin port this is (of `host`), has its first configuration. */
export async function untilConfigured(
  server: ServerProcess,
  admin: number,
  host = "127.0.0.1",
): Promise<Omit<Sidecar, "name" | "answersDns" | typeof Symbol.asyncDispose>> {
  const url = `http://${host}:${admin}`;
  await awaitReady("Envoy", server, async () => (await statusOf(`${url}/ready`)) === 200);
  return {
    ...envoyAdmin(url),
    pid: server.pid,
    isRunning: () => server.isRunning(),
    readLog: () => server.readLog(),
  };
}

/** What Istio's agent writes, as far as it matters without certificates. Source: istio.io/istio tools/packaging/common/envoy_bootstrap.json. */
function bootstrap({ istiod, namespace = "consumer", name = "consumer" }: SidecarOptions, admin: number) {
  const socket = (port: number) => ({ socket_address: { address: "127.0.0.1", port_value: port } });
  const fromAds = { ads: {}, initial_fetch_timeout: "0s", resource_api_version: "V3" };
  const http2 = {
    "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
    explicit_http_config: { http2_protocol_options: {} },
  };
  return {
    node: {
      id: `sidecar~${podIp}~${name}.${namespace}~${namespace}.svc.cluster.local`,
      cluster: `${name}.${namespace}`,
      metadata: {
        NAMESPACE: namespace,
        NAME: name,
        INSTANCE_IPS: podIp,
        LABELS: { app: name },
        CLUSTER_ID: "Kubernetes",
        ISTIO_VERSION: istioVersion,
        INTERCEPTION_MODE: "REDIRECT",
      },
    },
    admin: { address: socket(admin) },
    dynamic_resources: {
      ads_config: {
        api_type: "DELTA_GRPC",
        transport_api_version: "V3",
        set_node_on_first_message_only: true,
        grpc_services: [{ envoy_grpc: { cluster_name: "xds-grpc" } }],
      },
      cds_config: fromAds,
      lds_config: fromAds,
    },
    static_resources: {
      clusters: [
        {
          name: "xds-grpc",
          type: "STATIC",
          connect_timeout: "1s",
          typed_extension_protocol_options: {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2,
          },
          load_assignment: {
            cluster_name: "xds-grpc",
            endpoints: [{ lb_endpoints: [{ endpoint: { address: socket(istiod.xdsPort) } }] }],
          },
        },
      ],
    },
  };
}
