import type { Reflector } from "../../kube/reflector.ts";
import type { Hub } from "../../model/hub.ts";
import type { KubeObject } from "../../model/kubernetes.ts";
import type { Problem, ProblemCode } from "../../model/problems.ts";
import type { HubStatus } from "../../model/registryhub.ts";
import { rememberedWarnings } from "../../status/memory.ts";
import { objectKeyOf, objectLabels } from "../../translate/read-back/json.ts";
import { type EntryVisibility, entryVisibility } from "../../translate/read-back/mesh-config.ts";
import { isAmbient } from "../../translate/read-back/namespace.ts";
import type { ListingIndex } from "./listing-index.ts";
import type { MeshSettings } from "./mesh-settings.ts";

/** What is known of the mesh around the entries. */
export interface MeshView {
  readonly namespaces: Pick<Reflector<KubeObject>, "objects" | "status">;
  readonly settings: Pick<MeshSettings, "configs">;
}

type Previous = Pick<HubStatus, "problems"> | undefined;

/** How many namespaces a sentence names. */
const namedAtMost = 3;

/**
 * The mesh's administrator hides the entries of the hub's target, which the API server takes all the same. Until the mesh's
 * configuration has been asked for, the warning of the previous status stays, so that a restart changes nothing.
 */
export function hiddenByMesh(
  target: string,
  { namespaces, settings }: MeshView,
  previous: Previous,
): readonly Problem[] {
  if (settings.configs === undefined || namespaces.status.state === "pending")
    return stillSaid("HiddenByMesh", target, previous);
  const namespace = namespaces.objects.get(target);
  if (namespace === undefined) return [];
  const labels = objectLabels(namespace);
  const others = ambientIn(namespaces.objects).filter((name) => name !== target);
  for (const { object, mesh } of settings.configs) {
    const from = whoMisses(entryVisibility(mesh, labels), isAmbient(namespace), others.length > 0);
    if (from === undefined) continue;
    const detail = `meshConfig.serviceEntryVisibility (ConfigMap ${objectKeyOf(object)}) hides the ServiceEntries of namespace ${target} from ${from}; have the mesh's administrator add a policy with visibility PUBLIC that selects this namespace`;
    return [{ at: target, code: "HiddenByMesh", detail, severity: "warning" }];
  }
  return [];
}

/** The workloads that do not see the entries of a namespace; undefined = there are none. */
function whoMisses(
  { visibility, appliesToSidecars }: EntryVisibility,
  isTargetAmbient: boolean,
  areOthersAmbient: boolean,
): string | undefined {
  const kind = appliesToSidecars ? "" : "ambient ";
  if (visibility === "NONE" && (appliesToSidecars || isTargetAmbient || areOthersAmbient))
    return `every ${kind}workload`;
  if (visibility === "NAMESPACE" && (appliesToSidecars || areOthersAmbient))
    return `${kind}workloads of other namespaces`;
  return undefined;
}

/**
 * Consumers may be in ambient namespaces that see the hub's entries. Proxies there know no EnvoyFilter: they reach the Dubbo
 * services that the hub lists, by connection. A hub with l7: false asks for no more than that.
 */
export function ambientWithoutL7(
  hub: Pick<Hub, "target" | "l7" | "exportTo">,
  listings: Pick<ListingIndex, "hasDubbo">,
  { namespaces }: Pick<MeshView, "namespaces">,
  previous: Previous,
): readonly Problem[] {
  if (!hub.l7) return [];
  if (namespaces.status.state === "pending") return stillSaid("AmbientNoL7", hub.target, previous);
  const { exportTo, target } = hub;
  const sees = (name: string): boolean =>
    exportTo === undefined || exportTo.includes(name) || (name === target && exportTo.includes("."));
  const ambient = ambientIn(namespaces.objects).filter(sees);
  if (ambient.length === 0 || !listings.hasDubbo) return [];
  const more = ambient.length - namedAtMost;
  const names = `${ambient.slice(0, namedAtMost).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
  const detail = `consumers in ambient namespaces (${names}) have no sidecar, so no EnvoyFilter acts on them and Dubbo is balanced by connection, not by call; give them sidecars, or set spec.l7: false if that is enough`;
  return [{ at: hub.target, code: "AmbientNoL7", detail, severity: "warning" }];
}

const ambientIn = (namespaces: ReadonlyMap<string, KubeObject>): readonly string[] =>
  [...namespaces.values()]
    .filter(isAmbient)
    .map(({ metadata }) => metadata.name)
    .sort();

/** What the previous status says, until it is known anew. */
const stillSaid = (code: ProblemCode, target: string, previous: Previous): readonly Problem[] =>
  rememberedWarnings(code, previous).filter(({ at }) => at === target);
