import type { EnvoyFilter } from "../model/istio.ts";
import { annotations, fieldManagers, labels } from "../model/labels.ts";
import { anyCall, type Destination, type DubboRule } from "./dubbo-rules.ts";
import { hash, withHash } from "./names.ts";

/** The part of a Dubbo ServiceEntry that its filters depend on. It does not change while providers come and go. */
export interface DubboRoute {
  /** "<namespace>/<name>" of the ServiceEntry. */
  readonly serviceEntry: string;
  readonly host: string;
  readonly vip: string;
  readonly port: number;
  /** The exact spelling: Envoy compares it case-sensitively. */
  readonly interface: string;
  /** false = nobody wants endpoints to be ejected; it counts where all routes of the port say so. */
  readonly outlierDetection: boolean;
  /** Where the entry can be seen; undefined = everywhere. */
  readonly namespaces?: readonly string[];
}

/** Any number but 0: with 0 `istioctl analyze` prints IST0151 for every REPLACE. */
const priority = 10;

/** Envoy's hard limit of 16 MiB per Dubbo message, plus room for its header. */
const connectionBufferBytes = 16_793_600;

/**
 * Makes weights exact: Istio's least-request choice divides each weight by the calls under way, so that an endpoint with
 * 5 % of the weight gets 10 to 22 % of parallel calls. Where weights are equal, calls go to the less busy one as before.
 */
const leastRequest = {
  active_request_bias: { default_value: 0, runtime_key: "registryhub.least_request_bias" },
};

/**
 * One endpoint that cannot be reached beside one that can fails every other call. Only what Envoy itself sees counts, a
 * connection that is refused or breaks: to it every business exception of Dubbo is a 5xx. All endpoints may be ejected,
 * because Istio's panic threshold of 0 then fails at once; the time out is short, because it is the price after a total
 * outage. Values as measured with 600 calls: 3 failed, 315 without.
 */
const outlierDetection = {
  split_external_local_origin_errors: true,
  consecutive_local_origin_failure: 3,
  enforcing_consecutive_local_origin_failure: 100,
  enforcing_consecutive_5xx: 0,
  enforcing_consecutive_gateway_failure: 0,
  enforcing_success_rate: 0,
  enforcing_local_origin_success_rate: 0,
  enforcing_failure_percentage: 0,
  interval: "5s",
  base_ejection_time: "10s",
  max_ejection_time: "30s",
  max_ejection_percent: 100,
};
/** Long enough for a first packet that is lost: its second one comes after 1 s. Istio's 10 s is what a black hole costs a call. */
const connectTimeout = "1.5s";

const maxNameLength = 253;

/**
 * Of a listener whose filter is a config of its own, which changes without the listener. Another text changes the listener, so
 * that connections end and come back under the rules of now.
 */
export interface NamedConfig {
  /** Somebody asked for it. */
  readonly applyNow: string;
  /** A subset vanished that connections may follow. */
  readonly vanished: string;
}

/**
 * Replaces the TCP proxy of the service's own listener with dubbo_proxy. The routes match every method, because the
 * provider's list lacks `$invoke` and `$echo`, and each change of a route would drain live connections. It acts on the proxies
 * of its namespace; in the mesh's root namespace, on all. @param rootNamespace where filters are that are in no other place.
 * @param named the listener refers to the config of `rulesFilter`; undefined = it has the config itself.
 */
export function outboundFilter(
  route: DubboRoute,
  namespace: string,
  rootNamespace = namespace,
  named?: NamedConfig,
): EnvoyFilter {
  const config = outboundConfig(route, []);
  return envoyFilter(outboundName(route), { namespace, rootNamespace }, route, {
    applyTo: "NETWORK_FILTER",
    match: {
      context: "SIDECAR_OUTBOUND",
      listener: {
        name: `${route.vip}_${route.port}`,
        filterChain: { filter: { name: "envoy.filters.network.tcp_proxy" } },
      },
    },
    patch: {
      operation: "REPLACE",
      value: named ? discovered(route, named) : { name: proxyName, typed_config: config },
    },
  });
}

/** What was in force last: the rules of a VirtualService that was accepted, to be read again; none = they have ended. */
export interface RulesInForce {
  /** "<namespace>/<name>"; "" = none. */
  readonly virtualService: string;
  readonly http: unknown;
}

/** What connections may follow: they keep the rules that they began with, until the listener changes. */
export interface Followed {
  /** Those that rules have named since then. */
  readonly subsets: readonly string[];
  /** What the listener is to be, once these rules are stored. */
  readonly listener: NamedConfig;
}

/**
 * The config that the listener of a service with rules refers to. It may say what holds without rules, but once it is there it
 * is not deleted: istiod tells no proxy, which would keep the rules. @param inForce what the rules were made of.
 */
export function rulesFilter(
  route: DubboRoute,
  rules: readonly DubboRule[],
  inForce: RulesInForce,
  followed: Followed,
  namespace: string,
  rootNamespace = namespace,
): EnvoyFilter {
  const value = { name: configName(route), typed_config: outboundConfig(route, rules) };
  return envoyFilter(
    rulesName(route),
    { namespace, rootNamespace },
    route,
    {
      applyTo: "EXTENSION_CONFIG",
      match: { context: "SIDECAR_OUTBOUND" },
      patch: { operation: "ADD", value },
    },
    { [annotations.rules]: JSON.stringify({ ...inForce, followed }) },
  );
}

/** The cluster of a service, or of a subset of it. Source: istio pilot/pkg/model, BuildSubsetKey. */
export function clusterOf({ host, port }: Pick<DubboRoute, "host" | "port">, subset = ""): string {
  return `outbound|${port}|${subset}|${host}`;
}

const configName = ({ host }: DubboRoute): string => `dubbo|${host}`;

/** Before the config has arrived, calls go as they would without rules, and nothing waits. */
function discovered(route: DubboRoute, { applyNow, vanished }: NamedConfig): unknown {
  const config = outboundConfig(route, []);
  const { multiple_route_config: routes } = config;
  // Nothing reads the name of these routes, but it is a part of the listener.
  const name = [routes.name, applyNow, vanished].join("|").replace(/\|{1,2}$/, "");
  return {
    name: configName(route),
    config_discovery: {
      config_source: { ads: {}, initial_fetch_timeout: "0s", resource_api_version: "V3" },
      type_urls: [proxyType],
      apply_default_config_without_warming: true,
      default_config: { ...config, multiple_route_config: { ...routes, name } },
    },
  };
}

function outboundConfig(route: DubboRoute, rules: readonly DubboRule[]) {
  const name = clusterOf(route);
  const routes = [
    ...rules.map(({ match, to }) => ({ match, route: routeTo(route, to) })),
    ...anyMethod(name),
  ];
  return dubboProxy(name, [
    { name, interface: route.interface, routes },
    { name: `${name}|any`, interface: "*", routes },
  ]);
}

function routeTo(route: DubboRoute, to: readonly Destination[]): unknown {
  const clusters = to.map(({ subset, weight }) => ({ name: clusterOf(route, subset), weight }));
  const [only, ...others] = clusters;
  return others.length === 0 && only ? { cluster: only.name } : { weighted_clusters: { clusters } };
}

/**
 * The manual's inbound filter, for providers that are pods of the mesh. Its interface is `*`: all interfaces of a pod
 * share the chain of their port, and an exact one would refuse all others.
 */
export function inboundFilter(route: DubboRoute, rootNamespace: string): EnvoyFilter {
  const name = `inbound|${route.port}||`;
  const place = { namespace: rootNamespace, rootNamespace };
  return envoyFilter(nameFor(`aeraki-inbound-${route.host}-${route.port}`), place, route, {
    applyTo: "NETWORK_FILTER",
    match: {
      context: "SIDECAR_INBOUND",
      listener: {
        name: "virtualInbound",
        filterChain: { destinationPort: route.port, filter: { name: "envoy.filters.network.tcp_proxy" } },
      },
    },
    patch: {
      operation: "REPLACE",
      value: {
        name: proxyName,
        typed_config: dubboProxy(name, [{ name, interface: "*", routes: anyMethod(name) }]),
      },
    },
  });
}

/**
 * One per Dubbo port and namespace, never one per service. Without it every response over 1 MiB hangs in dubbo_proxy, and weights are
 * rough. @param ejects whether endpoints that cannot be reached are called no more for a while.
 */
export function portFilter(
  port: number,
  ejects: boolean,
  namespace: string,
  rootNamespace = namespace,
): EnvoyFilter {
  return envoyFilter(portName(port), { namespace, rootNamespace }, undefined, {
    applyTo: "CLUSTER",
    match: { context: "SIDECAR_OUTBOUND", cluster: { portNumber: port } },
    patch: {
      operation: "MERGE",
      value: {
        per_connection_buffer_limit_bytes: connectionBufferBytes,
        least_request_lb_config: leastRequest,
        ...(ejects && { connect_timeout: connectTimeout, outlier_detection: outlierDetection }),
      },
    },
  });
}

/** The names that the outbound filters of a route have in each namespace, with that of its port. */
export function outboundNamesOf(route: DubboRoute): readonly string[] {
  return [portName(route.port), outboundName(route), rulesName(route)];
}

const outboundName = ({ host, vip, port }: DubboRoute): string =>
  nameFor(`aeraki-outbound-${host}-${vip}-${port}`);

const rulesName = ({ host }: DubboRoute): string => nameFor(`aeraki-rules-${host}`);

const portName = (port: number): string => `aeraki-outbound-buffer-${port}`;

const proxyName = "envoy.filters.network.dubbo_proxy";
const proxyType = "type.googleapis.com/envoy.extensions.filters.network.dubbo_proxy.v3.DubboProxy";

function dubboProxy(name: string, routeConfigs: readonly unknown[]) {
  return {
    "@type": proxyType,
    stat_prefix: name,
    protocol_type: "Dubbo",
    serialization_type: "Hessian2",
    multiple_route_config: { name, route_config: routeConfigs },
  };
}

function anyMethod(cluster: string): readonly unknown[] {
  return [{ match: anyCall, route: { cluster } }];
}

function nameFor(base: string): string {
  return base.length <= maxNameLength ? base : withHash(base, base);
}

function envoyFilter(
  name: string,
  { namespace, rootNamespace }: { readonly namespace: string; readonly rootNamespace: string },
  route: DubboRoute | undefined,
  configPatch: unknown,
  notes: Readonly<Record<string, string>> = {},
): EnvoyFilter {
  const spec = { priority, configPatches: [configPatch] };
  const owner = route && { [`${labels.serviceEntry}${hash(route.serviceEntry)}`]: "" };
  const rootNote = namespace !== rootNamespace && { [annotations.rootNamespace]: rootNamespace };
  const ownerNote = route && { [annotations.serviceEntry]: route.serviceEntry };
  return {
    apiVersion: "networking.istio.io/v1alpha3",
    kind: "EnvoyFilter",
    metadata: {
      name,
      namespace,
      labels: { [labels.managedBy]: fieldManagers.dubbo, ...owner },
      annotations: {
        ...ownerNote,
        ...rootNote,
        ...notes,
        [annotations.lastApplied]: hash(JSON.stringify([owner, spec, ...Object.values(notes)]), 16),
      },
    },
    spec,
  };
}
