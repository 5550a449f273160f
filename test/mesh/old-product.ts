import type { Tenant } from "../e2e/world.ts";
import { hello } from "./world.ts";

/** A provider of version 1.0.0 as the manual's product wrote it. */
export interface OldProvider {
  readonly host: string;
  /** It listens on {@link oldPort}. */
  readonly address: string;
  /** As the manual has it: `default`. Default: none. */
  readonly serviceAccount?: string;
}

export const oldVirtualIp = "240.241.250.1";
export const oldPort = 20_880;

/** The ServiceEntry and the EnvoyFilter of the product that the manual describes, as YAML. */
export function oldObjects({ namespace }: Tenant, { host, address, serviceAccount }: OldProvider): string {
  const port = "tcp-metaprotocol-dubbo";
  const cluster = `outbound|${oldPort}||${host}`;
  const entry = {
    apiVersion: "networking.istio.io/v1beta1",
    kind: "ServiceEntry",
    metadata: {
      name: `aeraki-${host.replaceAll(".", "-")}`,
      namespace,
      labels: { manager: "aeraki", registry: "dubbo2istio" },
      annotations: { interface: hello.interface, workloadSelector: "" },
    },
    spec: {
      hosts: [host],
      addresses: [oldVirtualIp],
      location: "MESH_INTERNAL",
      resolution: "STATIC",
      ports: [{ name: port, number: oldPort, protocol: "tcp", targetPort: oldPort }],
      endpoints: [
        {
          address,
          ports: { [port]: oldPort },
          labels: { version: "1.0.0" },
          ...(serviceAccount && { serviceAccount }),
        },
      ],
    },
  };
  return [entry, oldFilter(host, cluster)].map((one) => JSON.stringify(one)).join("\n---\n");
}

function oldFilter(host: string, cluster: string): object {
  const route = {
    name: cluster,
    interface: hello.interface,
    routes: [{ match: { method: { name: { exact: "sayHello" } } }, route: { cluster } }],
  };
  return {
    apiVersion: "networking.istio.io/v1alpha3",
    kind: "EnvoyFilter",
    metadata: { name: `aeraki-outbound-${host}-${oldVirtualIp}-${oldPort}`, namespace: "servicemesh" },
    spec: {
      configPatches: [
        {
          applyTo: "NETWORK_FILTER",
          match: {
            listener: {
              name: `${oldVirtualIp}_${oldPort}`,
              filterChain: { filter: { name: "envoy.filters.network.tcp_proxy" } },
            },
          },
          patch: {
            operation: "REPLACE",
            value: {
              name: "envoy.filters.network.dubbo_proxy",
              typed_config: {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.dubbo_proxy.v3.DubboProxy",
                stat_prefix: cluster,
                protocol_type: "Dubbo",
                serialization_type: "Hessian2",
                route_config: [route],
              },
            },
          },
        },
      ],
    },
  };
}
