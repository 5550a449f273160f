import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Authority, certificateAuthority, signedBy } from "../support/certificate.ts";
import { freePort } from "../support/free-port.ts";
import { podIp, type Sidecar, type SidecarOptions, untilConfigured } from "./envoy.ts";
import { envoyBinary } from "./envoy-binary.ts";
import { bootstrapTemplate, istioBinaries } from "./istio-binaries.ts";
import { proxyGroup } from "./mesh-namespace.ts";
import type { PodNetwork } from "./pod-network.ts";
import { startServerProcess } from "./server-process.ts";
import { temporaryFolder } from "./watchdog.ts";

const STOP_MS = 20_000;

/** How Istio's agent is started. */
export interface AgentOptions extends SidecarOptions {
  /** The network of its pod, where it takes what comes in. Default: the mesh's namespace, where it takes what goes out. */
  readonly pod?: PodNetwork;
}

let authority: Authority | undefined;

/**
 * Starts a sidecar as an injected pod has it: Istio's agent, which writes Envoy's bootstrap, hands on what istiod sends, and
 * answers DNS from it. With a certificate for `spiffe://cluster.local/ns/<namespace>/sa/default` of the one CA that all
 * agents of this process trust. Returns when Envoy has its first configuration (seconds).
 */
export async function startAgentSidecar(options: AgentOptions): Promise<Sidecar> {
  const { namespace = "consumer", pod, drainSeconds = 45 } = options;
  const [freeAdmin, status, ready, prometheus] = (await Promise.all(
    Array.from({ length: 4 }, () => freePort()),
  )) as [number, number, number, number];
  await using starting = new AsyncDisposableStack();
  const folder = starting.use(temporaryFolder("istio-agent")).path;
  const admin = pod?.adminPort ?? freeAdmin;
  await writeCertificate(folder, `spiffe://cluster.local/ns/${namespace}/sa/default`);
  const proxyConfig = {
    binaryPath: await envoyBinary(),
    configPath: join(folder, "etc"),
    discoveryAddress: `${pod?.outside ?? "127.0.0.1"}:${options.istiod.xdsPort}`,
    controlPlaneAuthPolicy: "NONE",
    proxyAdminPort: admin,
    statusPort: status,
    concurrency: 1,
    drainDuration: `${drainSeconds}s`,
    terminationDrainDuration: "1s",
    // Without this the agent has Envoy leave these statistics out.
    proxyStatsMatcher: {
      inclusionPrefixes: ["dubbo", "listener_manager", "cluster_manager"],
      inclusionSuffixes: ["ssl.handshake", "upstream_cx_total"],
    },
  };
  const agent = (await istioBinaries(["pilot-agent"]))["pilot-agent"];
  const flags = [`--templateFile=${await bootstrapTemplate()}`, "--log_output_level=default:info"];
  const asProxy = ["setpriv", "--regid", String(proxyGroup), "--clear-groups"];
  const [command = "setpriv", ...args] = [
    ...(pod?.entering ?? []),
    ...asProxy,
    agent,
    "proxy",
    "sidecar",
    ...flags,
  ];
  const server = await startServerProcess({
    name: "pilot-agent",
    command,
    args,
    env: environment(options, proxyConfig, ready, prometheus),
    cwd: folder,
    logFile: join(folder, "log"),
  });
  starting.defer(() => server.terminate(STOP_MS)); // it ends its Envoy, which kill -9 of it would leave
  const running = await untilConfigured(server, admin, pod?.address);
  const owned = starting.move();
  return {
    ...running,
    name: "pilot-agent",
    answersDns: true,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** What the injected container has. Source: istio.io/istio manifests/charts/istio-control/istio-discovery/files/injection-template.yaml. */
function environment(
  { namespace = "consumer", name = "consumer", pod }: AgentOptions,
  proxyConfig: object,
  readyPort: number,
  prometheusPort: number,
): Readonly<Record<string, string>> {
  return {
    PROXY_CONFIG: JSON.stringify(proxyConfig),
    POD_NAME: name,
    POD_NAMESPACE: namespace,
    INSTANCE_IP: pod?.address ?? podIp,
    ISTIO_METAJSON_LABELS: JSON.stringify({ app: name }),
    ISTIO_META_CLUSTER_ID: "Kubernetes",
    ISTIO_META_INTERCEPTION_MODE: "REDIRECT",
    ISTIO_META_DNS_CAPTURE: "true",
    ENVOY_STATUS_PORT: String(readyPort),
    ENVOY_PROMETHEUS_PORT: String(prometheusPort),
    FILE_MOUNTED_CERTS: "true", // in the place of istiod's CA
    CLOUD_PLATFORM: "none",
    MINIMUM_DRAIN_DURATION: "0s",
  };
}

/** Where the agent looks for them. Source: istio.io/istio pkg/security, the defaults of file-mounted certificates. */
async function writeCertificate(folder: string, uri: string): Promise<void> {
  authority ??= certificateAuthority("mesh");
  const { certificate, key } = signedBy(authority, "sidecar", [uri]);
  const certs = join(folder, "etc", "certs");
  await mkdir(certs, { recursive: true });
  const files = { "cert-chain.pem": certificate, "key.pem": key, "root-cert.pem": authority.certificate };
  for (const [name, text] of Object.entries(files)) await writeFile(join(certs, name), text);
}
