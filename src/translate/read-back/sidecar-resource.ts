import type { KubeObject } from "../../model/kubernetes.ts";
import { fieldsOf, isFields, listOf, numberOf, textFieldsOf, textOf, textsOf } from "./json.ts";

/** One way out of the proxies that follow a Sidecar. */
export interface EgressListener {
  /** Each `<namespace>/<host>`. */
  readonly hosts: readonly string[];
  /** Only the services on this port; undefined = on all. */
  readonly port?: number;
  /** Whether it names the address that it listens at. */
  readonly isBound: boolean;
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
      const { hosts, port, bind } = fieldsOf(one);
      const number = numberOf(fieldsOf(port).number);
      return {
        hosts: textsOf(hosts),
        isBound: (textOf(bind) ?? "") !== "",
        ...(number !== undefined && { port: number }),
      };
    }),
  };
}
