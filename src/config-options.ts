import {
  bindAddress,
  boolean,
  cidrs,
  duration,
  ipv4Cidr,
  namespace,
  namespaceGlobs,
  namespaces,
  oneOf,
  positiveNumber,
  wholeNumber,
} from "./config-values.ts";
import { parseLabelSelector } from "./model/label-selector.ts";
import { portRules, portsInWords } from "./model/port-rules.ts";

/** The long-running commands; each reads its own part of the table. */
export type Controller = "hub-controller" | "dubbo-controller";
const people = ["status", "explain", "events", "doctor", "hold", "uninstall"] as const;
/** Every command that reads a part of the table. */
export type Reader = Controller | "preview" | (typeof people)[number];

/** One setting. Its environment variable and its name in commander follow from `flag`. */
export interface Option<T> {
  readonly flag: string;
  /** The form of a value, for people. */
  readonly value: string;
  /** As a user would write it. */
  readonly default: string;
  /** @throws Error whose message describes a legal value, as the end of "<where>=<text>: ". */
  readonly parse: (text: string) => T;
  readonly help: string;
  readonly commands: readonly Reader[];
}

const both: readonly Reader[] = ["hub-controller", "dubbo-controller"];
const hub: readonly Reader[] = ["hub-controller"];

const option = <T>(one: Option<T>): Option<T> => one;

/** Every setting. Flags, environment variables, --help and docs/configuration.md are generated from this table. */
export const options = {
  kubeconfig: option({
    flag: "kubeconfig",
    value: "<file>",
    default: "",
    parse: (text) => text || undefined,
    help: "The kubeconfig file; it must exist. If empty: those files of KUBECONFIG that exist, else ~/.kube/config, else the pod's service account.",
    commands: [...both, "preview", ...people],
  }),
  watchNamespaces: option({
    flag: "watch-namespaces",
    value: "<names>",
    default: "",
    parse: namespaces,
    help: "The namespaces whose RegistryHubs and ServiceEntries the controller handles, separated by commas. If empty: all namespaces.",
    commands: both,
  }),
  hubSelector: option({
    flag: "hub-selector",
    value: "<selector>",
    default: "",
    parse: parseLabelSelector,
    help: 'A label selector, as `kubectl get -l` takes it: the process serves only the RegistryHubs that match, and leads with a Lease of its own. If empty: all hubs. See "Lanes" in docs/operations.md.',
    commands: hub,
  }),
  rootNamespace: option({
    flag: "root-namespace",
    value: "<name>",
    default: "servicemesh",
    parse: namespace,
    help: "Istio's root namespace, which receives the EnvoyFilters. Filters in it apply to every proxy of the mesh. The hub-controller takes PeerAuthentications there for those of the whole mesh, and looks for the mesh's configuration there, and then in istio-system.",
    commands: [...both, "preview", "explain", "doctor", "uninstall"],
  }),
  vipCidr: option({
    flag: "vip-cidr",
    value: "<cidr>",
    default: "240.241.0.0/16",
    parse: ipv4Cidr,
    help: "The range of the virtual IPs. Istio 1.25 and newer allocate their own addresses from 240.240.0.0/16. With --hub-selector it lies in 240.0.0.0/4, and no other process has the same.",
    commands: [...both, "preview", "explain", "doctor"],
  }),
  httpBindAddress: option({
    flag: "http-bind-address",
    value: "<host:port>",
    default: "127.0.0.1:0",
    parse: bindAddress,
    help: "The address that serves /healthz, /readyz and /metrics. Port 0 takes any free port and logs it. `:8080` listens on all addresses. `0` turns the server off.",
    commands: both,
  }),
  pagePort: option({
    flag: "page-port",
    value: "<port>",
    default: "0",
    parse: wholeNumber(0, 65_535),
    help: "The port of 127.0.0.1 at which the process, while it leads, serves its page and the history that `registryhub events` reads; `kubectl port-forward` reaches it. 0 turns it off. See docs/page.md.",
    commands: hub,
  }),
  leaderElect: option({
    flag: "leader-elect",
    value: "true|false",
    default: "false",
    parse: boolean,
    help: "Elect a leader with the Lease that has the controller's name; with --hub-selector it is `registryhub-` and the first 8 hex digits of the selector's sha256. Only the leader works; other processes stand by.",
    commands: both,
  }),
  leaderElectNamespace: option({
    flag: "leader-elect-namespace",
    value: "<name>",
    default: "servicemesh",
    parse: namespace,
    help: "The namespace of that Lease. All processes of one controller need the same value.",
    commands: [...both, "events", "doctor", "uninstall"],
  }),
  kubeApiConcurrency: option({
    flag: "kube-api-concurrency",
    value: "<number>",
    default: "16",
    parse: wholeNumber(1, 1000),
    help: "How many writes of one namespace may be in flight at once; those of all namespaces together are at most twice as many. The API server's flow control sets the pace.",
    commands: both,
  }),
  emptyGraceMs: option({
    flag: "empty-grace",
    value: "<duration>",
    default: "10m",
    parse: duration,
    help: "How long a ServiceEntry without endpoints stays before the controller deletes it. Until then its callers fail fast.",
    commands: [...hub, "preview"],
  }),
  shrinkHoldMs: option({
    flag: "shrink-hold",
    value: "<duration>",
    default: "5m",
    parse: duration,
    help: "How long the controller keeps the last instances of services when many services vanish at once.",
    commands: hub,
  }),
  resetHoldMs: option({
    flag: "reset-hold",
    value: "<duration>",
    default: "24h",
    parse: duration,
    help: "How long, at most, the controller removes nothing after a registry lost its data.",
    commands: hub,
  }),
  settleFactor: option({
    flag: "settle-factor",
    value: "<number>",
    default: "1",
    parse: positiveNumber,
    help: "Scales the built-in settling times, in which the controller removes nothing. For tests only, together with the registry's own times.",
    commands: hub,
  }),
  maxServicesPerHub: option({
    flag: "max-services-per-hub",
    value: "<number>",
    default: "20000",
    parse: wholeNumber(1, 1_000_000),
    help: "How many services a hub may have. Further ones are the problem TooManyServices; what a hub has already stays, also if the number is lowered.",
    commands: hub,
  }),
  allowCrossNamespace: option({
    flag: "allow-cross-namespace",
    value: "true|false",
    default: "true",
    parse: boolean,
    help: "Whether a hub may write into another namespace that has not opted in by annotation.",
    commands: hub,
  }),
  denyTargets: option({
    flag: "deny-targets",
    value: "<globs>",
    default: "",
    parse: namespaceGlobs,
    help: "Namespaces that receive no ServiceEntries: names, or globs with *, separated by commas. The host of an entry ends with its namespace, so a namespace called com or internal would let a hub answer for google.com or db.internal in the whole mesh. Of use where tenants create namespaces, for example com,net,org,io,dev,cn,internal,consul. Entries that exist stay.",
    commands: hub,
  }),
  foreignServiceEntries: option({
    flag: "foreign-serviceentries",
    value: "true|false",
    default: "false",
    parse: boolean,
    help: "Whether ServiceEntries that others label `manager: aeraki` also get EnvoyFilters.",
    commands: ["dubbo-controller", "preview"],
  }),
  inboundFilters: option({
    flag: "inbound-filters",
    value: "true|false",
    default: "false",
    parse: boolean,
    help: "Whether the controller also writes an EnvoyFilter for the provider's own proxy, for providers inside the mesh. It acts on every pod of the mesh that listens on the service's port, whoever owns the pod and whatever it speaks: there Dubbo works, and nothing else.",
    commands: ["dubbo-controller", "preview"],
  }),
  dubboPorts: option({
    flag: "dubbo-ports",
    value: "<ports>",
    default: "default",
    parse: portRules,
    help: `The ports whose Dubbo services get new EnvoyFilters: numbers and ranges, separated by commas; ! takes some out again, the last one that has a port decides, and the word default stands for the default. What the filters of a port change, they change for that port in every proxy of the mesh. So the default is 1024-65535 without the usual ports of ${portsInWords}. A filter that exists stays. Give both controllers the same value: the hub-controller reports the services that get no filter.`,
    commands: [...both, "preview", "explain", "doctor"],
  }),
  outlierDetection: option({
    flag: "outlier-detection",
    value: "true|false",
    default: "true",
    parse: boolean,
    help: "Whether proxies stop calling endpoints of Dubbo services that cannot be reached, for 10 to 30 s at a time, and wait 1.5 s for a connection instead of Istio's 10 s. It acts on every cluster of a Dubbo port, whoever owns it. A port whose hubs all say outlierDetection: false has neither.",
    commands: ["dubbo-controller", "preview"],
  }),
  dubboRules: option({
    flag: "dubbo-rules",
    value: "true|false",
    default: "true",
    parse: boolean,
    help: 'Whether VirtualServices whose host is that of a Dubbo service become rules for its calls. See "Rules" in docs/dubbo.md. With false no service has rules: what was in force ends, without a change of a listener.',
    commands: ["dubbo-controller"],
  }),
  maxAnswerBytes: option({
    flag: "max-answer-bytes",
    value: "<bytes>",
    default: "67108864",
    parse: wholeNumber(4 * 1024 * 1024, 1024 * 1024 * 1024),
    help: "How large one answer that lists a whole registry may be, decoded: Eureka's applications, Consul's services and checks. Other lists may have a quarter of it. The answers of all hubs that are being read share twice as much memory.",
    commands: [...hub, "preview", "explain"],
  }),
  allowRegistryCidrs: option({
    flag: "allow-registry-cidrs",
    value: "<cidrs>",
    default: "",
    parse: cidrs,
    help: "The IPv4 and IPv6 ranges in which registries may be dialled, separated by commas. If empty: everywhere. Link-local, site-local, multicast and unspecified addresses and the clouds' metadata services are refused in any case, and no range allows them.",
    commands: [...hub, "preview", "explain"],
  }),
  logLevel: option({
    flag: "log-level",
    value: "<debug|info|warn|error>",
    default: "info",
    parse: oneOf("debug", "info", "warn", "error"),
    help: "The lowest level that is logged.",
    commands: both,
  }),
};
