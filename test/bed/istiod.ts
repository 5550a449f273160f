import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { selfSigned } from "../support/certificate.ts";
import { freePort } from "../support/free-port.ts";
import type { ApiServer } from "./api-server.ts";
import { istioBinaries } from "./istio-binaries.ts";
import { awaitReady, type ServerProgram, startServerProcess } from "./server-process.ts";
import { statusOf } from "./tcp.ts";
import { temporaryFolder } from "./watchdog.ts";

/** How an istiod is started. */
export interface IstiodOptions {
  /** Whose Istio objects it serves; has to have Istio's CRDs and the root namespace. */
  readonly api: ApiServer;
  /** Default `servicemesh`. */
  readonly rootNamespace?: string;
  /** What else the mesh's configuration says. */
  readonly meshConfig?: object;
  /**
   * As Istio has it by default: sidecars speak mutual TLS to each other. Then each needs a certificate, for without one it
   * opens no listener, and `startSidecar` gives it none. Default false.
   */
  readonly mutualTls?: boolean;
}

/** Istio's control plane. It judges what anybody writes to its API server, as in production. Disposal kills it. */
export interface Istiod extends AsyncDisposable {
  readonly name: string;
  readonly pid: number;
  /** Where it serves xDS, on 127.0.0.1 and without TLS. */
  readonly xdsPort: number;
  /** How many configurations proxies have refused (NACK) since it started. */
  rejects(): Promise<number>;
  readLog(): string;
}

// Filters that only Istio's own build of Envoy has, then what needs a cluster around it; the rest is quick for tests.
const SETTINGS = {
  PILOT_ENABLE_METADATA_EXCHANGE: "false",
  PILOT_ENABLE_ALPN_FILTER: "false",
  PILOT_ENABLE_GATEWAY_API: "false",
  INJECT_ENABLED: "false",
  INJECTION_WEBHOOK_CONFIG_NAME: "",
  VALIDATION_WEBHOOK_CONFIG_NAME: "",
  ENABLE_DEBUG_ENDPOINT_AUTH: "false",
  POD_NAME: "istiod",
  CLUSTER_ID: "Kubernetes",
  REVISION: "default",
};

/** Starts an istiod; returns when it is ready (a second or two). */
export async function startIstiod({
  api,
  rootNamespace = "servicemesh",
  meshConfig = {},
  mutualTls = false,
}: IstiodOptions): Promise<Istiod> {
  if (!mutualTls)
    await api.kubectl(["apply", "--server-side", "-f", "-"], {
      input: JSON.stringify(plainText(rootNamespace)),
    });
  const [http, https, xds, secureXds, monitoring] = (await Promise.all(
    Array.from({ length: 5 }, () => freePort()),
  )) as [number, number, number, number, number];
  await using starting = new AsyncDisposableStack();
  const folder = starting.use(temporaryFolder("istiod")).path;
  const mesh = { rootNamespace, enableAutoMtls: mutualTls, ...meshConfig };
  await writeFile(join(folder, "mesh.json"), JSON.stringify(mesh));
  const { certificate, key } = selfSigned("istiod");
  // It is its own CA, but istiod watches no file twice.
  const files = { "tls.crt": certificate, "tls.key": key, "ca.crt": certificate };
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  const program: ServerProgram = {
    name: "istiod",
    command: (await istioBinaries(["pilot-discovery"]))["pilot-discovery"],
    args: [
      "discovery",
      `--kubeconfig=${api.kubeconfig}`,
      "--meshConfig=mesh.json",
      `--httpAddr=127.0.0.1:${http}`,
      `--httpsAddr=127.0.0.1:${https}`,
      `--grpcAddr=127.0.0.1:${xds}`,
      `--secureGRPCAddr=127.0.0.1:${secureXds}`,
      "--tlsCertFile=tls.crt",
      "--tlsKeyFile=tls.key",
      "--caCertFile=ca.crt",
      `--monitoringAddr=127.0.0.1:${monitoring}`,
      "--ctrlz_address=127.0.0.1",
      "--ctrlz_port=0",
      "--domain=cluster.local",
      `--clusterRegistriesNamespace=${rootNamespace}`,
    ],
    env: { ...SETTINGS, POD_NAMESPACE: rootNamespace },
    cwd: folder,
    logFile: join(folder, "istiod.log"),
  };
  const server = await startServerProcess(program);
  starting.defer(() => server.kill());
  await awaitReady("istiod", server, async () => (await statusOf(`http://127.0.0.1:${http}/ready`)) === 200);
  await api.kubectl(["apply", "--server-side", "-f", "-"], {
    input: JSON.stringify(validation(`https://127.0.0.1:${https}/validate`, certificate)),
  });
  const owned = starting.move();
  return {
    pid: server.pid,
    xdsPort: xds,
    async rejects() {
      const metrics = await (await fetch(`http://127.0.0.1:${monitoring}/metrics`)).text();
      const values = metrics.matchAll(/^pilot_total_xds_rejects(?:\{.*\})? (\S+)$/gm);
      return [...values].reduce((sum, [, value]) => sum + Number(value), 0); // the metric comes with the first one
    },
    name: "istiod",
    readLog: () => server.readLog(),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const plainText = (rootNamespace: string) => ({
  apiVersion: "security.istio.io/v1",
  kind: "PeerAuthentication",
  metadata: { name: "default", namespace: rootNamespace },
  spec: { mtls: { mode: "DISABLE" } },
});

/** As in Istio's chart (istio-discovery, validatingwebhookconfiguration.yaml), but that it finds istiod by address. */
const validation = (url: string, certificate: string) => ({
  apiVersion: "admissionregistration.k8s.io/v1",
  kind: "ValidatingWebhookConfiguration",
  metadata: { name: "istio-validator" },
  webhooks: [
    {
      name: "rev.validation.istio.io",
      clientConfig: { url, caBundle: Buffer.from(certificate).toString("base64") },
      rules: [
        {
          operations: ["CREATE", "UPDATE"],
          apiGroups: ["networking.istio.io"],
          apiVersions: ["*"],
          resources: ["*"],
        },
      ],
      failurePolicy: "Fail",
      sideEffects: "None",
      admissionReviewVersions: ["v1"],
    },
  ],
});
