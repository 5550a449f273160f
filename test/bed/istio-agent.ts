import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Certificate, selfSigned } from "../support/certificate.ts";
import { freePort } from "../support/free-port.ts";
import { podIp, type Sidecar, type SidecarOptions, untilConfigured } from "./envoy.ts";
import { envoyBinary } from "./envoy-binary.ts";
import { bootstrapTemplate, istioBinaries } from "./istio-binaries.ts";
import { proxyGroup } from "./mesh-namespace.ts";
import { startServerProcess } from "./server-process.ts";
import { temporaryFolder } from "./watchdog.ts";

const STOP_MS = 20_000;

/**
 * Starts a sidecar in the mesh's namespace as an injected pod has it: Istio's agent, which writes Envoy's bootstrap, hands
 * on what istiod sends, and answers DNS from it. With the certificate of a mesh of which it is the only member. Returns when
 * Envoy has its first configuration (seconds).
 */
export async function startAgentSidecar(options: SidecarOptions): Promise<Sidecar> {
  const [admin, status, ready, prometheus] = (await Promise.all(
    Array.from({ length: 4 }, () => freePort()),
  )) as [number, number, number, number];
  await using starting = new AsyncDisposableStack();
  const folder = starting.use(temporaryFolder("istio-agent")).path;
  const { namespace = "consumer" } = options;
  await writeCertificate(folder, selfSigned("mesh", [`spiffe://cluster.local/ns/${namespace}/sa/default`]));
  const proxyConfig = {
    binaryPath: await envoyBinary(),
    configPath: join(folder, "etc"),
    discoveryAddress: `127.0.0.1:${options.istiod.xdsPort}`,
    controlPlaneAuthPolicy: "NONE",
    proxyAdminPort: admin,
    statusPort: status,
    concurrency: 1,
    drainDuration: "45s",
    terminationDrainDuration: "1s",
    // Without this the agent has Envoy leave these statistics out.
    proxyStatsMatcher: { inclusionPrefixes: ["dubbo", "listener_manager", "cluster_manager"] },
  };
  const agent = (await istioBinaries(["pilot-agent"]))["pilot-agent"];
  const flags = [`--templateFile=${await bootstrapTemplate()}`, "--log_output_level=default:info"];
  const server = await startServerProcess({
    name: "pilot-agent",
    command: "setpriv",
    args: ["--regid", String(proxyGroup), "--clear-groups", agent, "proxy", "sidecar", ...flags],
    env: environment(options, proxyConfig, ready, prometheus),
    cwd: folder,
    logFile: join(folder, "log"),
  });
  starting.defer(() => server.terminate(STOP_MS)); // it ends its Envoy, which kill -9 of it would leave
  const running = await untilConfigured(server, admin);
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
  { namespace = "consumer", name = "consumer" }: SidecarOptions,
  proxyConfig: object,
  readyPort: number,
  prometheusPort: number,
): Readonly<Record<string, string>> {
  return {
    PROXY_CONFIG: JSON.stringify(proxyConfig),
    POD_NAME: name,
    POD_NAMESPACE: namespace,
    INSTANCE_IP: podIp,
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
async function writeCertificate(folder: string, { certificate, key }: Certificate): Promise<void> {
  const certs = join(folder, "etc", "certs");
  await mkdir(certs, { recursive: true });
  const files = { "cert-chain.pem": certificate, "key.pem": key, "root-cert.pem": certificate };
  for (const [name, text] of Object.entries(files)) await writeFile(join(certs, name), text);
}
