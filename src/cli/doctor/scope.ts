import type { EgressListener, SidecarResource } from "../../translate/read-back/sidecar-resource.ts";

/** A host of ours, as proxies look for it. */
export interface WantedHost {
  readonly namespace: string;
  /** Without its namespace. */
  readonly host: string;
  readonly port: number;
}

/**
 * The Sidecar that the proxies of a pod follow; undefined = none, and they see everything. The first one that selects the pod
 * comes before the namespace's, and that before the root namespace's. Source: istio model/push_context.go, getSidecarScope.
 *
 * @param labels undefined = of any pod of the namespace, so that no Sidecar for some of them counts.
 */
export function sidecarFor(
  sidecars: readonly SidecarResource[],
  namespace: string,
  labels: Readonly<Record<string, string>> | undefined,
  rootNamespace: string,
): SidecarResource | undefined {
  const sorted = sidecars.toSorted((one, other) => (one.precedence < other.precedence ? -1 : 1));
  const own = sorted.filter((one) => one.namespace === namespace);
  const selects = ({ selector }: SidecarResource): boolean =>
    labels !== undefined &&
    selector !== undefined &&
    Object.entries(selector).every(([key, value]) => labels[key] === value);
  return (
    own.find(selects) ??
    own.find(({ selector }) => selector === undefined) ??
    sorted.find((one) => one.namespace === rootNamespace && one.selector === undefined)
  );
}

/** Whether proxies in a namespace that follow a Sidecar see a host. What begins with `~` takes some out (Istio 1.31, istio#60581). */
export function sees(sidecar: SidecarResource | undefined, from: string, wanted: WantedHost): boolean {
  if (sidecar === undefined || sidecar.egress.length === 0) return true;
  return sidecar.egress.some((listener) => shows(listener, from, wanted));
}

/**
 * Why calls to the virtual IP of a host, which the proxy sees, do not go there; undefined = they do. An egress with an address
 * has proxies listen there, and one for HTTP takes Dubbo for it. Without both they listen at virtual IPs, since Istio 1.17 also
 * where a port is said (istio#41312). Source: istio networking/core/listener.go, buildSidecarOutboundListeners.
 */
export function missesVip(
  { egress }: SidecarResource,
  from: string,
  wanted: WantedHost,
  isDubbo: boolean,
): string | undefined {
  const reasons = egress
    .filter((one) => shows(one, from, wanted))
    .map(({ bind, port, protocol }) => {
      if (bind !== undefined) return `listen at ${bind} (bind, captureMode)`;
      const isHttp = port !== undefined && /^(HTTP|GRPC)/.test(protocol);
      return isDubbo && isHttp ? `take port ${port} for ${protocol} (port.protocol)` : undefined;
    });
  return reasons.includes(undefined) ? undefined : reasons[0];
}

function shows({ hosts, port }: EgressListener, from: string, wanted: WantedHost): boolean {
  if (port !== undefined && port !== wanted.port) return false;
  const matches = (pattern: string): boolean => isMatch(pattern, from, wanted);
  const left = hosts.filter((one) => one.startsWith("~") && one !== "~/*");
  const isOut = left.some((one) => matches(one.startsWith("~/") ? `*${one.slice(1)}` : one.slice(1)));
  return !isOut && hosts.some((one) => !one.startsWith("~") && matches(one));
}

/** A pattern is `<namespace>/<host>`; `.` is the namespace of the proxy, and `*` stands for any, or for any beginning. */
function isMatch(pattern: string, from: string, { namespace, host }: WantedHost): boolean {
  const [place = "", name = ""] = pattern.split("/", 2);
  if (place !== "*" && (place === "." ? from : place) !== namespace) return false;
  return name === host || (name.startsWith("*") && host.endsWith(name.slice(1)));
}
