import type { EnvoyFilter } from "../../model/istio.ts";
import type { Stored } from "../../model/kubernetes.ts";
import { annotations, fieldManagers, labels } from "../../model/labels.ts";
import type { Followed, NamedConfig, RulesInForce } from "../envoy-filter.ts";
import {
  fieldsOf,
  isFields,
  listOf,
  numberOf,
  objectAnnotations,
  objectLabels,
  textOf,
  textsOf,
} from "./json.ts";

/** The facts of an EnvoyFilter that the dubbo-controller depends on. */
export interface FilterFacts {
  readonly isOurs: boolean;
  /** That of the dubbo-controller that wrote it, if it is outside of it. */
  readonly rootNamespace: string | undefined;
  /** "<namespace>/<name>" of its ServiceEntry. */
  readonly serviceEntry: string | undefined;
  /** The port that it is for; undefined for any other filter. */
  readonly ofPort: number | undefined;
  /** Whether its first patch has endpoints ejected. */
  readonly ejects: boolean;
  /** The listener of its first patch: "<vip>_<port>" or "virtualInbound"; undefined for the filter of a port. */
  readonly listener: string | undefined;
  /** The port of an outbound filter, whose large answers need the filter of the port. */
  readonly routedPort: number | undefined;
  /** The side and the port of a filter that is for one ServiceEntry: "outbound 20880" or "inbound 20880"; "rules" of that one. */
  readonly slot: string | undefined;
  /** The listener refers to a config by name; undefined = it has its config itself. */
  readonly named: NamedConfig | undefined;
}

/** Reads an EnvoyFilter of any owner. */
export function filterFactsOf(object: Stored<EnvoyFilter>): FilterFacts {
  const [patch] = listOf(fieldsOf(object.spec).configPatches);
  const { value } = fieldsOf(fieldsOf(patch).patch);
  const { outlier_detection: outlierDetection } = fieldsOf(value);
  const { name, filterChain } = fieldsOf(fieldsOf(fieldsOf(patch).match).listener);
  const listener = textOf(name);
  const routedPort = portIn(/_(\d+)$/, listener ?? "");
  const { default_config: config } = fieldsOf(fieldsOf(value).config_discovery);
  const routesName = textOf(fieldsOf(fieldsOf(config).multiple_route_config).name) ?? "";
  const [applyNow = "", vanished = ""] = routesName.split("|").slice(4);
  const inboundPort = numberOf(fieldsOf(filterChain).destinationPort);
  return {
    isOurs: objectLabels(object)[labels.managedBy] === fieldManagers.dubbo,
    rootNamespace: objectAnnotations(object)[annotations.rootNamespace],
    serviceEntry: objectAnnotations(object)[annotations.serviceEntry],
    ofPort: portIn(/^aeraki-outbound-buffer-(\d+)$/, object.metadata.name),
    ejects: outlierDetection !== undefined,
    listener,
    routedPort,
    slot:
      fieldsOf(patch).applyTo === "EXTENSION_CONFIG"
        ? rulesSlot
        : (slotOf("outbound", routedPort) ?? slotOf("inbound", inboundPort)),
    named: config === undefined ? undefined : { applyNow, vanished },
  };
}

/**
 * What the rules of a filter were made of; undefined = it has none that can be read. In another namespace than the root
 * namespace anybody may have written it, so it is read like a VirtualService.
 */
export function rulesInForceOf(object: Stored<EnvoyFilter>): RulesInForce | undefined {
  const note = noteOf(object);
  if (note === undefined) return undefined;
  const { virtualService, http } = fieldsOf(note);
  return { virtualService: textOf(virtualService) ?? "", http };
}

/** The same of what connections may follow. */
export function followedOf(object: Stored<EnvoyFilter>): Partial<Followed> & Pick<Followed, "subsets"> {
  const { subsets, listener } = fieldsOf(fieldsOf(noteOf(object)).followed);
  const mark = (value: unknown): string => /^[0-9a-f]{8}$/.exec(textOf(value) ?? "")?.[0] ?? "";
  const { applyNow, vanished } = fieldsOf(listener);
  return {
    subsets: textsOf(subsets),
    ...(isFields(listener) && { listener: { applyNow: mark(applyNow), vanished: mark(vanished) } }),
  };
}

/** undefined = it is none that can be read. */
function noteOf(object: Stored<EnvoyFilter>): unknown {
  try {
    return JSON.parse(objectAnnotations(object)[annotations.rules] ?? "");
  } catch {
    return undefined;
  }
}

/** As FilterFacts.slot. */
export const rulesSlot = "rules";

function slotOf(side: string, port: number | undefined): string | undefined {
  return port === undefined ? undefined : `${side} ${port}`;
}

function portIn(pattern: RegExp, text: string): number | undefined {
  const port = pattern.exec(text)?.[1];
  return port === undefined ? undefined : Number(port);
}
