import type { KubeObject } from "../../model/kubernetes.ts";
import { fieldsOf, isFields, listOf, numberOf, textFieldsOf, textOf, textsOf } from "./json.ts";

/** One way out of the proxies that follow a Sidecar. */
export interface EgressListener {
  /** Each `<namespace>/<host>`. */
  readonly hosts: readonly string[];
  /** Only the services on this port; undefined = on all. */
  readonly port?: number;
  /** Of that port, in upper case; "" = none is said. */
  readonly protocol: string;
  /** The address at which proxies listen in the place of virtual IPs; undefined = at those. */
  readonly bind?: string;
}

/** Which hosts the proxies of some workloads see. */
export interface SidecarResource {
  /** "<namespace>/<name>". */
  readonly key: string;
  readonly namespace: string;
  /** RFC 3339, then the name: the first of several for the same workloads counts. */
  readonly precedence: string;
  /** undefined = for all of its namespace; in the root namespace: for all namespaces without one. */
  readonly selector?: Readonly<Record<string, string>>;
  /** [] = it does not restrict them. */
  readonly egress: readonly EgressListener[];
}

/** Reads a Sidecar. Source: istio.io/api networking/v1beta1, Sidecar. */
export function sidecarResourceOf({
  metadata,
  spec,
}: KubeObject & { readonly spec?: unknown }): SidecarResource {
  const { name, namespace = "", creationTimestamp } = metadata;
  const { workloadSelector, egress } = fieldsOf(spec);
  return {
    key: `${namespace}/${name}`,
    namespace,
    precedence: `${textOf(creationTimestamp) ?? ""} ${name}`,
    ...(isFields(workloadSelector) && { selector: textFieldsOf(workloadSelector.labels) }),
    egress: listOf(egress).map((one) => {
      const { hosts, port, bind, captureMode } = fieldsOf(one);
      const { number: portNumber, protocol } = fieldsOf(port);
      const number = numberOf(portNumber);
      const isUncaptured = captureMode === "NONE" || captureMode === 2;
      const address = textOf(bind) || (isUncaptured ? "127.0.0.1" : "");
      return {
        hosts: textsOf(hosts),
        protocol: (textOf(protocol) ?? "").toUpperCase(),
        ...(address !== "" && { bind: address }),
        ...(number !== undefined && { port: number }),
      };
    }),
  };
}
