/** What Envoy's filter for Dubbo has counted for one host, since Envoy started; 0 where it never had a call. */
export interface DubboCounters {
  readonly request: number;
  readonly success: number;
  /** Calls that Envoy answered itself, and answers of the provider that say that it could not serve. */
  readonly error: number;
  /** Answers with an exception of the provider's. */
  readonly businessException: number;
  /** Calls under way; what stays there without a call is the mark of a call that broke. */
  readonly active: number;
}

/** What Envoy has counted of HTTP requests, gRPC among them, to one host's port; 0 where it sees bytes only. */
export interface HttpCounters {
  /** Those that were answered, by whatever. */
  readonly completed: number;
  /** Those that were answered by a 2xx. */
  readonly ok: number;
}

/** What an Envoy tells on its admin port. */
export interface EnvoyAdmin {
  /** Envoy's statistics whose names match, by name. */
  stats(names: RegExp): Promise<ReadonlyMap<string, number>>;
  dubboCounters(host: string, port: number): Promise<DubboCounters>;
  httpCounters(host: string, port: number): Promise<HttpCounters>;
  /** How many TLS connections it has opened to a host's port. */
  handshakes(host: string, port: number): Promise<number>;
  /** How many configurations of any kind it has refused. */
  rejects(): Promise<number>;
  /** How often a listener came, changed or went since Envoy started. */
  listenerChanges(): Promise<ReadonlyMap<string, number>>;
  /** The endpoints of a host's port as `ip:port`, sorted; undefined while it has no such cluster. */
  endpoints(host: string, port: number): Promise<readonly string[] | undefined>;
  /** Those of them that are marked to be called by mTLS, sorted. */
  mtlsEndpoints(host: string, port: number): Promise<readonly string[]>;
  /** The weights of these endpoints, by `ip:port`. */
  weights(host: string, port: number): Promise<Readonly<Record<string, number>>>;
  /** How a host's port is balanced, in Envoy's own words (`lb_policy`, the settings of the policies, `outlier_detection`). */
  balancing(host: string, port: number): Promise<Readonly<Record<string, unknown>>>;
  /** The names of the network filters, in order, by `<address>_<port>` of the listener. */
  listeners(): Promise<ReadonlyMap<string, readonly string[]>>;
  /** Those behind an address; undefined while nothing listens there. */
  filters(address: string, port: number): Promise<readonly string[] | undefined>;
}

/** The part of Envoy's answers that is read. Source: envoy.admin.v3.Clusters, ListenersConfigDump. */
interface Clusters {
  readonly cluster_statuses?: readonly {
    readonly name: string;
    readonly host_statuses?: readonly HostStatus[];
  }[];
}
interface HostStatus {
  readonly weight: number;
  readonly address: { readonly socket_address: { readonly address: string; readonly port_value: number } };
}
interface ClusterDump {
  readonly configs?: readonly { readonly cluster: Readonly<Record<string, unknown>> }[];
}
interface Listeners {
  readonly configs?: readonly {
    readonly name: string;
    readonly active_state?: {
      readonly listener: {
        readonly filter_chains?: readonly { readonly filters?: readonly { readonly name: string }[] }[];
      };
    };
  }[];
}

interface EndpointDump {
  readonly configs?: readonly {
    readonly dynamic_endpoint_configs?: readonly {
      readonly endpoint_config: {
        readonly cluster_name: string;
        readonly endpoints?: readonly { readonly lb_endpoints?: readonly EndpointConfig[] }[];
      };
    }[];
  }[];
}
interface EndpointConfig {
  readonly endpoint: Pick<HostStatus, "address">;
  readonly metadata?: { readonly filter_metadata?: Readonly<Record<string, { readonly tlsMode?: string }>> };
}

/** A proxy that hangs is an error of its own. */
const ANSWERS_MS = 10_000;

/** Asks the admin port at `url`. */
export function envoyAdmin(url: string): EnvoyAdmin {
  const ask = async <T>(path: string) => {
    const answer = await fetch(url + path, { signal: AbortSignal.timeout(ANSWERS_MS) });
    return (await answer.json()) as T;
  };
  const stats = async (names: RegExp) => {
    interface Stat {
      readonly name?: string;
      readonly value?: number;
    }
    const query = `/stats?format=json&filter=${encodeURIComponent(names.source)}`;
    const all = (await ask<{ readonly stats: readonly Stat[] }>(query)).stats;
    return new Map(
      all.flatMap(({ name, value }) => (name === undefined || value === undefined ? [] : [[name, value]])),
    );
  };
  const hostsOf = async (host: string, port: number) => {
    const { cluster_statuses: clusters = [] } = await ask<Clusters>("/clusters?format=json");
    const found = clusters.find(({ name }) => name === clusterName(host, port));
    return found && (found.host_statuses ?? []);
  };
  const listeners = async () => {
    const { configs = [] } = await ask<Listeners>("/config_dump?resource=dynamic_listeners");
    return new Map(
      configs.flatMap(({ name, active_state: active }) => {
        const chains = active?.listener.filter_chains;
        return chains ? [[name, chains.flatMap(({ filters = [] }) => filters.map((one) => one.name))]] : [];
      }),
    );
  };
  return {
    stats,
    async dubboCounters(host, port) {
      const prefix = `dubbo.${clusterName(host, port)}.`;
      const all = await stats(/^dubbo\./);
      const value = (name: string) => all.get(prefix + name) ?? 0;
      return {
        request: value("request"),
        success: value("response_success"),
        error: value("response_error") + value("local_response_error"),
        businessException: value("response_business_exception"),
        active: value("request_active"),
      };
    },
    async httpCounters(host, port) {
      const all = await stats(/^cluster\..*upstream_rq_(completed|2xx)$/);
      // In statistics Istio ends a cluster's name by a semicolon.
      const value = (name: string) => all.get(`cluster.${clusterName(host, port)};.upstream_rq_${name}`) ?? 0;
      return { completed: value("completed"), ok: value("2xx") };
    },
    async handshakes(host, port) {
      const all = await stats(/^cluster\.outbound.*ssl\.handshake$/);
      return all.get(`cluster.${clusterName(host, port)};.ssl.handshake`) ?? 0;
    },
    async rejects() {
      return (await stats(/update_rejected$/)).values().reduce((sum, count) => sum + count, 0);
    },
    listenerChanges: () => stats(/^listener_manager\.listener_(added|modified|removed|in_place_updated)$/),
    endpoints: async (host, port) => (await hostsOf(host, port))?.map(addressOf).sort(),
    weights: async (host, port) =>
      Object.fromEntries(((await hostsOf(host, port)) ?? []).map((one) => [addressOf(one), one.weight])),
    async mtlsEndpoints(host, port) {
      const { configs = [] } = await ask<EndpointDump>("/config_dump?include_eds");
      return configs
        .flatMap((one) => one.dynamic_endpoint_configs ?? [])
        .filter((one) => one.endpoint_config.cluster_name === clusterName(host, port))
        .flatMap(({ endpoint_config: { endpoints = [] } }) => endpoints)
        .flatMap(({ lb_endpoints: all = [] }) => all)
        .filter(({ metadata }) => metadata?.filter_metadata?.[transportSocketMatch]?.tlsMode === "istio")
        .map(({ endpoint }) => addressOf(endpoint))
        .sort();
    },
    async balancing(host, port) {
      const { configs = [] } = await ask<ClusterDump>("/config_dump?resource=dynamic_active_clusters");
      const { cluster = {} } = configs.find((one) => one.cluster.name === clusterName(host, port)) ?? {};
      return Object.fromEntries(
        Object.entries(cluster).filter(([key]) => /^lb_policy$|_lb_config$|^outlier_detection$/.test(key)),
      );
    },
    listeners,
    filters: async (address, port) => (await listeners()).get(`${address}_${port}`),
  };
}

/** How Istio calls what a sidecar sends to a port of a host. Source: istio.io/istio pilot/pkg/model BuildSubsetKey. */
const clusterName = (host: string, port: number): string => `outbound|${port}||${host}`;

/** Where an endpoint says which of its cluster's transport sockets is its own. Source: envoy.config.cluster.v3.Cluster. */
const transportSocketMatch = "envoy.transport_socket_match";

const addressOf = ({ address: { socket_address: socket } }: Pick<HostStatus, "address">): string =>
  `${socket.address}:${socket.port_value}`;
