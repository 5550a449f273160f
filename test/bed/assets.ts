import { dirname } from "node:path";
import { baseImageStorage } from "./base-images.ts";
import { buildahPackages, canBuildImages } from "./buildah.ts";
import { chromiumPackages } from "./chromium.ts";
import { consulBinary } from "./consul-binary.ts";
import { canUnpackDebs } from "./debian.ts";
import { prepareDubboGo } from "./dubbo-go-provider.ts";
import { prepareDubbo } from "./dubbo-provider.ts";
import { commitBeforeChart, earlierCommit, earlierVersion, hasEarlierVersion } from "./earlier-version.ts";
import { envoyBinary } from "./envoy-binary.ts";
import { prepareEureka } from "./eureka.ts";
import { gitOpsJudges } from "./gitops-judges.ts";
import { helmBinary } from "./helm-binary.ts";
import { bootstrapTemplate, istioBinaries, istioPrograms } from "./istio-binaries.ts";
import { istioCrds, istioVersions } from "./istio-crds.ts";
import { classPath } from "./java.ts";
import { apiPrograms, kubeBinaries, kubePrograms } from "./kube-binaries.ts";
import { networkTools } from "./mesh-namespace.ts";
import { prepareNacos } from "./nacos.ts";
import { say } from "./progress.ts";
import { prometheusPrograms } from "./prometheus.ts";
import { prometheusCrds } from "./prometheus-crds.ts";
import { prepareSpring } from "./spring-provider.ts";

/** Variables that tell where an asset is. */
export type Variables = Readonly<Record<string, string>>;

/** Something the bed needs that takes long to get the first time. */
export interface Asset {
  readonly name: string;
  /** Makes sure it is there. */
  readonly prepare: () => Promise<Variables>;
}

/** What Go builds or brings, the longest first: it keeps the processors busy. */
const builtByGo: readonly Asset[] = [
  { name: "kube-api", prepare: prepareKubeApi }, // a part of `kube`, all that the demo needs
  { name: "kube", prepare: prepareKube },
  { name: "istio", prepare: prepareIstio },
  { name: "consul", prepare: async () => ({ CONSUL: await consulBinary() }) },
  { name: "dubbo-go", prepare: async () => ({ DUBBO_GO_PROVIDER: await prepareDubboGo() }) },
  { name: "helm", prepare: async () => ({ HELM: await helmBinary() }) },
  { name: "gitops", prepare: prepareJudges },
  { name: "istio-crds", prepare: async () => ({ ISTIO_CRDS: await istioCrds() }) },
  { name: "istio-crds-older", prepare: prepareOlderCrds },
  { name: "prometheus-crds", prepare: async () => ({ PROMETHEUS_CRDS: await prometheusCrds() }) },
];

/** The rest, which mostly waits for downloads. */
const others: readonly Asset[] = [
  { name: "zookeeper", prepare: async () => ({ ZOOKEEPER_CLASSPATH: await classPath("zookeeper") }) },
  { name: "zookeeper34", prepare: async () => ({ ZOOKEEPER34_CLASSPATH: await classPath("zookeeper34") }) },
  { name: "zookeeper38", prepare: async () => ({ ZOOKEEPER38_CLASSPATH: await classPath("zookeeper38") }) },
  { name: "dubbo", prepare: async () => ({ DUBBO_CLASSPATH: await prepareDubbo("2.7") }) },
  { name: "dubbo3", prepare: async () => ({ DUBBO3_CLASSPATH: await prepareDubbo("3.3") }) },
  { name: "nacos2", prepare: async () => ({ NACOS2_CLASSPATH: await prepareNacos("2.3") }) },
  { name: "nacos3", prepare: async () => ({ NACOS3_CLASSPATH: await prepareNacos("3.1") }) },
  { name: "eureka", prepare: async () => ({ EUREKA_CLASSPATH: await prepareEureka() }) },
  { name: "nacos-agent", prepare: async () => ({ NACOS_AGENT_CLASSPATH: await classPath("nacos-agent") }) },
  ...(["nacos", "eureka", "consul"] as const).map((registry) => ({
    name: `spring-${registry}`,
    prepare: async () => ({ [`SPRING_${registry.toUpperCase()}_CLASSPATH`]: await prepareSpring(registry) }),
  })),
  { name: "envoy", prepare: async () => ({ ENVOY: await envoyBinary() }) },
  { name: "network-tools", prepare: prepareNetworkTools },
  { name: "prometheus", prepare: preparePrometheus },
  { name: "chromium", prepare: prepareChromium },
  { name: "images", prepare: prepareImages },
  { name: "earlier-version", prepare: prepareEarlierVersions },
];

/** Everything there is. A further server is one more row. */
export const assets: readonly Asset[] = [...builtByGo, ...others];

/** What a mesh needs besides an API server. */
export const meshAssets = ["istio", "envoy", "network-tools"] as const;

/** Those that are no assets. */
export const unknownAssets = (names: readonly string[]): readonly string[] =>
  names.filter((name) => !assets.some((asset) => asset.name === name));

/**
 * Makes sure that these are there, what Go builds beside the rest, and tells `ready` of each.
 *
 * @throws Error naming those that are none; what an asset threw, after which its half of the assets is left as it is.
 */
export async function prepareAssets(
  names: readonly string[],
  ready: (name: string, variables: Variables) => void = () => {},
): Promise<void> {
  const unknown = unknownAssets(names);
  if (unknown.length > 0) throw new Error(`the bed has no ${unknown.join(", ")}`);
  const inOrder = async (rows: readonly Asset[]): Promise<void> => {
    for (const { name, prepare } of rows) if (names.includes(name)) ready(name, await prepare());
  };
  const ended = await Promise.allSettled([builtByGo, others].map(inOrder));
  for (const one of ended) if (one.status === "rejected") throw one.reason;
}

/** KUBEBUILDER_ASSETS names one folder: where the programs came from several (some from PATH), it is kube-apiserver's. */
async function prepareKube(): Promise<Variables> {
  const binaries = await kubeBinaries(kubePrograms);
  return { KUBEBUILDER_ASSETS: dirname(binaries["kube-apiserver"]) };
}

async function prepareKubeApi(): Promise<Variables> {
  await kubeBinaries(apiPrograms);
  return {};
}

async function prepareIstio(): Promise<Variables> {
  const { istioctl } = await istioBinaries(istioPrograms);
  await bootstrapTemplate();
  return { ISTIO_PROGRAMS: dirname(istioctl) };
}

async function prepareJudges(): Promise<Variables> {
  const judges = await gitOpsJudges();
  return { ARGO_HEALTH: judges["argo-health"], FLUX_HEALTH: judges["flux-health"] };
}

/** Only the mesh suite needs them. Where they cannot be had that suite fails, and everything else runs. */
async function prepareNetworkTools(): Promise<Variables> {
  if (canUnpackDebs()) return { NETWORK_TOOLS: await networkTools() };
  say("this is no Debian: make test-mesh will fail");
  return {};
}

/** Only the page suite needs it. Where it cannot be had that suite fails, and everything else runs. */
async function prepareChromium(): Promise<Variables> {
  if (canUnpackDebs()) return { CHROMIUM: await chromiumPackages() };
  say("this is no Debian: make test-page will fail");
  return {};
}

/** Only the monitoring suite needs it. Where it cannot be had that suite fails, and everything else runs. */
async function preparePrometheus(): Promise<Variables> {
  if (canUnpackDebs()) return { PROMTOOL: (await prometheusPrograms()).promtool };
  say("this is no Debian: make test-monitoring will fail");
  return {};
}

/** Only the tests of older releases of Istio need them. */
async function prepareOlderCrds(): Promise<Variables> {
  for (const version of istioVersions) await istioCrds(version);
  return {};
}

/** A single test needs them. Where they cannot be made that test fails, and everything else runs. */
async function prepareImages(): Promise<Variables> {
  if (await canBuildImages())
    return { BUILDAH: await buildahPackages(), BASE_IMAGE_STORAGE: await baseImageStorage() };
  say("no images can be built on this machine: test/e2e/image.test.ts will fail");
  return {};
}

/** Only tests of upgrades need them. Where there is no history these fail, and everything else runs. */
async function prepareEarlierVersions(): Promise<Variables> {
  const commits = [earlierCommit, commitBeforeChart];
  for (const commit of commits) {
    if (await hasEarlierVersion(commit)) await earlierVersion(commit);
    else
      say(`this clone does not have commit ${commit}: tests of upgrades will fail (git fetch --unshallow)`);
  }
  if (await hasEarlierVersion()) return { EARLIER_REGISTRYHUB: (await earlierVersion()).program };
  return {};
}
