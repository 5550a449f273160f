import type { OutboundCapture } from "../../translate/read-back/consumer-pod.ts";
import { contains, overlap, partsOf } from "./networks.ts";

/** What Istio's injector says where nobody says anything. */
export const allOutbound: OutboundCapture = {
  includeRanges: "*",
  excludeRanges: "",
  includePorts: "",
  excludePorts: "",
};

/**
 * Why connections to a virtual IP, or to a whole range of them, pass a sidecar by; undefined = it takes them.
 * Source: istio tools/istio-iptables, whose rules exclude ports first, then ranges, and include ports before ranges.
 *
 * @param port undefined = any.
 */
export function passesBy(capture: OutboundCapture, range: string, port?: number): string | undefined {
  const has = (list: string): boolean => port !== undefined && partsOf(list).includes(String(port));
  if (has(capture.excludePorts)) return `excludeOutboundPorts has ${port}`;
  const excluding = partsOf(capture.excludeRanges).find((one) => one === "*" || overlap(one, range));
  if (excluding !== undefined) return `excludeOutboundIPRanges has ${excluding}`;
  if (has(capture.includePorts)) return undefined;
  const included = partsOf(capture.includeRanges);
  if (included.some((one) => one === "*" || contains(one, range))) return undefined;
  return `includeOutboundIPRanges has only ${included.join(",") || '""'}`;
}
