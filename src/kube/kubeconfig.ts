import { existsSync, readFileSync } from "node:fs";
import { delimiter, dirname, resolve } from "node:path";
import { KubeConfig, loadYaml, type User } from "@kubernetes/client-node";

/** Where the kubeconfig is looked for. */
export interface KubeconfigPlaces {
  /** A file that has to exist. */
  readonly kubeconfig?: string | undefined;
  /** Without it: files as in $KUBECONFIG; earlier ones win, and those that do not exist are skipped. */
  readonly defaultKubeconfigs?: string;
  /** Another one than the current context. */
  readonly context?: string | undefined;
}

/** Where a Pod has the token of its ServiceAccount. Source: rest.InClusterConfig of k8s.io/client-go. */
const serviceAccountToken = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/**
 * The cluster and user to work with, as kubectl finds them; where there is no file, those of the Pod's ServiceAccount.
 * @throws Error when there is none, or a file cannot be read or understood.
 */
export function loadKubeConfig(places: KubeconfigPlaces): KubeConfig {
  const config = new KubeConfig();
  const files = filesOf(places);
  if (files.length > 0) config.loadFromOptions(merge(files.map(readKubeConfig)));
  else if (existsSync(serviceAccountToken)) config.loadFromCluster();
  else
    throw new Error(
      `there is none${placesLookedAt(places)}, and this is no pod with a service account's token`,
    );
  if (places.context !== undefined) config.setCurrentContext(places.context);
  const cluster = config.getCurrentCluster();
  if (cluster === null) throw new Error(`it has no cluster for the context "${config.currentContext ?? ""}"`);
  if (!URL.canParse(cluster.server))
    throw new Error(`the address of its cluster, "${cluster.server}", is no URL`);
  return config;
}

/** The namespace of the context, as kubectl takes it where nobody names one. */
export function namespaceOfContext(config: KubeConfig): string {
  return config.getContextObject(config.currentContext)?.namespace ?? "default";
}

function filesOf(places: KubeconfigPlaces): readonly string[] {
  return places.kubeconfig ? [places.kubeconfig] : defaultPlaces(places).filter((file) => existsSync(file));
}

const defaultPlaces = ({ defaultKubeconfigs = "" }: KubeconfigPlaces): readonly string[] =>
  defaultKubeconfigs.split(delimiter).filter((file) => file !== "");

function placesLookedAt(places: KubeconfigPlaces): string {
  const all = defaultPlaces(places);
  return all.length > 0 ? ` at ${all.join(", ")}` : "";
}

/** In one line, for people: what is wrong with the kubeconfig, or with the credentials that it leads to. */
export function kubeconfigProblem(error: unknown): string {
  return `the kubeconfig cannot be used: ${wordsOf(error)}`;
}

/** The first line only: parsers quote what they cannot read on the next ones, or in a SyntaxError, and it may be a token. */
function wordsOf(error: unknown): string {
  if (error instanceof SyntaxError || !(error instanceof Error)) return "unreadable credentials";
  return error.message.split("\n", 1).join();
}

function readKubeConfig(file: string): KubeConfig {
  if (!existsSync(file)) throw new Error(`there is no file ${file}`);
  try {
    const config = new KubeConfig();
    config.loadFromFile(file);
    const { users } = loadYaml<{ users?: readonly RawUser[] }>(readFileSync(file, "utf8"));
    const tokenFiles = new Map(users?.map(({ name, user }) => [name, user?.tokenFile]));
    config.users = config.users.map((user) => withTokenFile(user, tokenFiles.get(user.name), dirname(file)));
    return config;
  } catch (cause) {
    throw new Error(`${file}: ${wordsOf(cause)}`, { cause });
  }
}

interface RawUser {
  readonly name: string;
  readonly user?: { readonly tokenFile?: string };
}

/** client-node ignores `tokenFile`, but its in-cluster authenticator reads and re-reads such a file. */
function withTokenFile({ token, ...user }: User, tokenFile: string | undefined, folder: string): User {
  if (tokenFile === undefined) return token === undefined ? user : { ...user, token };
  return { ...user, authProvider: { name: "tokenFile", config: { tokenFile: resolve(folder, tokenFile) } } };
}

function merge(configs: readonly KubeConfig[]): Pick<KubeConfig, "clusters" | "users" | "contexts"> & {
  currentContext: string | undefined;
} {
  return {
    clusters: firstByName(configs.flatMap((config) => config.clusters)),
    users: firstByName(configs.flatMap((config) => config.users)),
    contexts: firstByName(configs.flatMap((config) => config.contexts)),
    currentContext: configs.map((config) => config.currentContext).find((context) => context),
  };
}

function firstByName<T extends { readonly name: string }>(all: readonly T[]): T[] {
  return [...new Map(all.toReversed().map((one) => [one.name, one])).values()];
}
