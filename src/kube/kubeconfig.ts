import { existsSync, readFileSync } from "node:fs";
import { delimiter, dirname, resolve } from "node:path";
import { KubeConfig, loadYaml, type User } from "@kubernetes/client-node";

/**
 * The cluster and user to use, found as other Kubernetes tools find them: the files in `kubeconfig` (separated as in
 * $KUBECONFIG, earlier ones win), else $KUBECONFIG, ~/.kube/config, or the ServiceAccount of the Pod.
 * @throws Error when there is none, or a file is unreadable or malformed.
 */
export function loadKubeConfig(kubeconfig: string | undefined): KubeConfig {
  const config = new KubeConfig();
  if (kubeconfig === undefined || kubeconfig === "") config.loadFromDefault({}, true);
  else config.loadFromOptions(merge(filesOf(kubeconfig).map(readKubeConfig)));
  const cluster = config.getCurrentCluster();
  if (cluster === null)
    throw new Error(`the kubeconfig has no cluster for the context "${config.currentContext ?? ""}"`);
  if (config.currentContext === placeholderContext)
    throw new Error("no kubeconfig was found; set --kubeconfig or KUBECONFIG");
  return config;
}

/** The context that client-node makes up when it finds nothing. Source: loadFromClusterAndUser in its config.js. */
const placeholderContext = "loaded-context";

/** A missing file of a list is skipped, as in kubectl; a single file must exist. */
function filesOf(list: string): string[] {
  const files = list.split(delimiter).filter((file) => file !== "");
  return files.length > 1 ? files.filter((file) => existsSync(file)) : files;
}

function readKubeConfig(file: string): KubeConfig {
  const config = new KubeConfig();
  config.loadFromFile(file);
  const { users } = loadYaml<{ users?: readonly RawUser[] }>(readFileSync(file, "utf8"));
  const tokenFiles = new Map(users?.map(({ name, user }) => [name, user?.tokenFile]));
  config.users = config.users.map((user) => withTokenFile(user, tokenFiles.get(user.name), dirname(file)));
  return config;
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
