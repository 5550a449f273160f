import { createHash, generateKeyPairSync, randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { get } from "node:https";
import { join } from "node:path";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/free-port.ts";
import { type AuditedWrite, auditPolicy, readWrites, type WriteFilter } from "./audit-log.ts";
import { type Etcd, startEtcd } from "./etcd.ts";
import { type IstioVersion, istioCrds } from "./istio-crds.ts";
import { apiPrograms, kubeBinaries } from "./kube-binaries.ts";
import { run } from "./run.ts";
import { awaitReady, type ServerProcess, startServerProcess } from "./server-process.ts";
import { temporaryFolder } from "./watchdog.ts";

/** How an API server is started. */
export interface ApiServerOptions {
  /**
   * Default true. Without kube-controller-manager the start is quicker, but deleted namespaces stay Terminating, nothing
   * is garbage-collected and namespaces have no default ServiceAccount.
   */
  readonly controllerManager?: boolean;
  /** Controllers of kube-controller-manager, by name, besides those that every test has. Default: none. */
  readonly moreControllers?: readonly string[];
  /** Resources of the core group that it reads from etcd each time, so that what etcd forgot nobody knows. Default: none. */
  readonly uncached?: readonly string[];
}

/** How kubectl is run. */
export interface KubectlOptions {
  /** For `-f -`. */
  readonly input?: string;
  /** As whom; default the administrator. */
  readonly kubeconfig?: string;
}

/** A real Kubernetes API server with an etcd of its own. Disposal removes all of it. */
export interface ApiServer extends AsyncDisposable {
  /** `https://127.0.0.1:<port>`; its certificate does not cover `localhost`. */
  readonly url: string;
  readonly caFile: string;
  readonly etcdUrl: string;
  /** Bearer token of `admin`, group system:masters. */
  readonly adminToken: string;
  /** Bearer token of `alice`, who has no rights but those every authenticated user has. */
  readonly aliceToken: string;
  /** Path of the administrator's kubeconfig. */
  readonly kubeconfig: string;
  /** JSON lines, one or two per write; see {@link ApiServer.writes}. */
  readonly auditLog: string;
  /** Writes a kubeconfig for whoever a bearer token stands for (alice, a ServiceAccount's) and returns its path. */
  kubeconfigFor(token: string): Promise<string>;
  /** What kubectl printed. @throws Error with what it said on stderr. */
  kubectl(args: readonly string[], options?: KubectlOptions): Promise<string>;
  /** Applies the CRDs of a release of Istio, by default the newest, and waits until they are established. */
  applyCrds(istio?: IstioVersion): Promise<void>;
  /** Every write the API server received, also refused ones, in order. Exact for requests whose answer has been seen. */
  writes(filter?: WriteFilter): Promise<AuditedWrite[]>;
  /**
   * Compacts etcd to the current revision. kube-apiserver still answers older resourceVersions from its own memory;
   * after a `restart` too a list or watch at an older one gets a real 410.
   */
  compact(): Promise<void>;
  /** SIGSTOP and SIGCONT of kube-apiserver: connections stay open, nothing is answered. */
  freeze(): void;
  resume(): void;
  /** kill -9 of kube-apiserver; etcd, and so all data, stays. */
  kill(): Promise<void>;
  /** Kills kube-apiserver if it runs and starts it again: same port, certificates, tokens and data. */
  restart(): Promise<void>;
}

// Those whose work a test can see: namespaces that go away, garbage collection, ServiceAccounts.
const CONTROLLERS = [
  "namespace-controller",
  "garbage-collector-controller",
  "serviceaccount-controller",
  "serviceaccount-token-controller",
  "root-ca-certificate-publisher-controller",
];

/** Starts etcd, kube-apiserver and kube-controller-manager; returns when they answer (seconds). */
export async function startApiServer(options: ApiServerOptions = {}): Promise<ApiServer> {
  const { controllerManager = true, moreControllers = [], uncached = [] } = options;
  const binaries = await kubeBinaries(apiPrograms);
  await using starting = new AsyncDisposableStack(); // a start that fails half-way leaves nothing
  const folder = starting.use(temporaryFolder("kube")).path;
  const etcd = await startEtcd(binaries.etcd, folder);
  starting.defer(() => etcd.process.kill());
  const planned = await planApiServer(binaries["kube-apiserver"], folder, etcd);
  const sizes = uncached.map((resource) => `--watch-cache-sizes=${resource}#0`);
  const plan = { ...planned, args: [...planned.args, ...sizes] };
  let apiServer = await startKubeApiServer(plan);
  // SIGKILL: kube-apiserver waits for minutes for an etcd that is gone before it ends by itself.
  starting.defer(() => apiServer.kill());

  const kubeconfig = await writeKubeconfig(plan, plan.adminToken);
  const kubectl = (args: readonly string[], { input, kubeconfig: as = kubeconfig }: KubectlOptions = {}) =>
    run(binaries.kubectl, args, {
      env: { KUBECONFIG: as, HOME: folder }, // HOME: its discovery cache
      ...(input === undefined ? {} : { input }),
    });
  if (controllerManager) {
    const manager = await startControllerManager(plan, [...CONTROLLERS, ...moreControllers]);
    starting.defer(() => manager.kill());
    await awaitReady("kube-controller-manager", manager, () => hasDefaultServiceAccount(kubectl));
  }
  const owned = starting.move();
  return {
    url: plan.url,
    caFile: plan.caFile,
    etcdUrl: etcd.url,
    adminToken: plan.adminToken,
    aliceToken: plan.aliceToken,
    kubeconfig,
    auditLog: plan.auditLog,
    kubectl,
    kubeconfigFor: (token) => writeKubeconfig(plan, token),
    applyCrds: (istio) => applyCrds(kubectl, istio),
    writes: (filter) => readWrites(plan.auditLog, filter),
    compact: etcd.compact,
    freeze: () => apiServer.freeze(),
    resume: () => apiServer.resume(),
    kill: () => apiServer.kill(),
    async restart() {
      await apiServer.kill();
      apiServer = await startKubeApiServer(plan);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** What stays the same from one start of kube-apiserver to the next. */
interface ApiServerPlan {
  readonly command: string;
  readonly args: readonly string[];
  readonly folder: string;
  readonly url: string;
  readonly caFile: string;
  readonly serviceAccountKey: string;
  readonly auditLog: string;
  readonly adminToken: string;
  readonly aliceToken: string;
  readonly managerToken: string;
}

async function planApiServer(command: string, folder: string, etcd: Etcd): Promise<ApiServerPlan> {
  const port = await freePort();
  const file = (name: string) => join(folder, name);
  const plan = {
    command,
    folder,
    url: `https://127.0.0.1:${port}`,
    caFile: file("pki/apiserver.crt"), // self-signed, made by kube-apiserver at its first start
    serviceAccountKey: file("pki/sa.key"),
    auditLog: file("audit.log"),
    adminToken: randomUUID(),
    aliceToken: randomUUID(),
    managerToken: randomUUID(), // a user of its own, so that its writes are not counted as admin's
  };
  await mkdir(file("pki"));
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  await writeFile(plan.serviceAccountKey, privateKey.export({ type: "pkcs8", format: "pem" }));
  await writeFile(file("audit-policy.json"), auditPolicy);
  const users = [
    `${plan.adminToken},admin,admin,system:masters`,
    `${plan.aliceToken},alice,alice`,
    `${plan.managerToken},system:kube-controller-manager,manager,system:masters`,
  ];
  await writeFile(file("tokens.csv"), `${users.join("\n")}\n`);
  const args = [
    `--etcd-servers=${etcd.url}`,
    "--bind-address=127.0.0.1",
    "--advertise-address=127.0.0.1",
    `--secure-port=${port}`,
    "--endpoint-reconciler-type=none",
    `--cert-dir=${file("pki")}`,
    `--token-auth-file=${file("tokens.csv")}`,
    "--authorization-mode=RBAC",
    "--service-cluster-ip-range=10.0.0.0/24",
    "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
    `--service-account-key-file=${plan.serviceAccountKey}`,
    `--service-account-signing-key-file=${plan.serviceAccountKey}`,
    `--audit-policy-file=${file("audit-policy.json")}`,
    `--audit-log-path=${plan.auditLog}`,
    "--audit-log-maxsize=10000", // MB; the default starts a new file after 100
  ];
  return { ...plan, args };
}

async function startKubeApiServer(plan: ApiServerPlan): Promise<ServerProcess> {
  const { command, args, folder } = plan;
  const name = "kube-apiserver";
  const server = await startServerProcess({
    name,
    command,
    args,
    cwd: folder,
    logFile: join(folder, "kube-apiserver.log"),
  });
  await awaitReady(name, server, () => isApiServerReady(plan));
  return server;
}

/** Whether /readyz says 200 with the certificate of our own server; a stranger on its port has another. */
function isApiServerReady({ url, caFile }: ApiServerPlan): Promise<boolean> {
  if (!existsSync(caFile)) return Promise.resolve(false);
  return new Promise((resolve) => {
    const request = get(
      `${url}/readyz`,
      { ca: readFileSync(caFile), agent: false, timeout: 2_000 },
      (response) => {
        response.resume();
        resolve(response.statusCode === 200);
      },
    );
    request.on("timeout", () => request.destroy());
    request.on("error", () => resolve(false)); // not listening yet
    request.on("close", () => resolve(false));
  });
}

async function startControllerManager(
  plan: ApiServerPlan,
  controllers: readonly string[],
): Promise<ServerProcess> {
  const binaries = await kubeBinaries(["kube-controller-manager"]);
  return startServerProcess({
    name: "kube-controller-manager",
    command: binaries["kube-controller-manager"],
    cwd: plan.folder,
    logFile: join(plan.folder, "kube-controller-manager.log"),
    args: [
      `--kubeconfig=${await writeKubeconfig(plan, plan.managerToken)}`,
      "--bind-address=127.0.0.1",
      "--secure-port=0",
      "--leader-elect=false",
      "--resource-quota-sync-period=2s", // a type that is installed later is counted from then on; the default is 5 min
      `--controllers=${controllers.join(",")}`,
      `--service-account-private-key-file=${plan.serviceAccountKey}`,
      `--root-ca-file=${plan.caFile}`,
    ],
  });
}

async function hasDefaultServiceAccount(kubectl: ApiServer["kubectl"]): Promise<boolean> {
  return (await kubectl(["get", "serviceaccounts", "-n", "default", "-o", "name"])).includes(
    "serviceaccount/default",
  );
}

async function writeKubeconfig({ folder, url, caFile }: ApiServerPlan, token: string): Promise<string> {
  const path = join(folder, `kubeconfig-${createHash("sha256").update(token).digest("hex").slice(0, 12)}`);
  const content = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "bed", cluster: { server: url, "certificate-authority": caFile } }],
    users: [{ name: "user", user: { token } }],
    contexts: [{ name: "bed", context: { cluster: "bed", user: "user" } }],
    "current-context": "bed",
  };
  await writeFile(path, JSON.stringify(content, undefined, 2), { mode: 0o600 });
  return path;
}

async function applyCrds(kubectl: ApiServer["kubectl"], istio?: IstioVersion): Promise<void> {
  await kubectl(["apply", "--server-side", "-f", await istioCrds(istio)]);
  await untilEstablished(kubectl);
}

/** Waits until every CRD is served. `kubectl wait` fails, instead of waiting, on one that has no status yet. */
export async function untilEstablished(kubectl: ApiServer["kubectl"]): Promise<void> {
  const wait = ["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"];
  await eventually(() => kubectl(wait), 60_000);
}
