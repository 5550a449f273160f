import type { ReflectorStatus } from "../../kube/reflector.ts";
import { type Resource, typeName } from "../../kube/resources.ts";
import type { Instant, Ms } from "../../model/entry.ts";
import type { Hub } from "../../model/hub.ts";
import type { Problem } from "../../model/problems.ts";
import type { HubStatus } from "../../model/registryhub.ts";
import { rememberedWarnings } from "../../status/memory.ts";

/** A watch that breaks, a restart of the API server and a new CRD take less. */
const lateMs: Ms = 60_000;

const forbidden = 403;

/** A list that decides who is called by mTLS. */
export interface IdentityList {
  readonly resource: Resource;
  readonly status: ReflectorStatus;
  /** Since when it has not been current; undefined = it is. */
  readonly lostAt: Instant | undefined;
}

/** What a list that is not current is in the way of: "soon" = it may still come by itself. */
export type Obstacle = "right" | "type" | "late" | "soon";

/** undefined = the list is current. */
export function obstacleTo({ status, lostAt }: IdentityList, now: Instant): Obstacle | undefined {
  if (status.state === "synced") return undefined;
  if (status.error?.status === forbidden) return "right";
  if (lostAt === undefined || now - lostAt < lateMs) return "soon";
  return status.error?.reason === "ResourceTypeMissing" ? "type" : "late";
}

/**
 * Warnings for a hub that leaves it to the pods how they are called, while it cannot be known. A list that may still come by
 * itself leaves the warnings of the previous status, so that a restart changes nothing. Nothing is volatile: why a list is late
 * may be told in other words every time, so that is for the log.
 */
export function identityUnknown(
  { identity, target }: Pick<Hub, "identity" | "target">,
  lists: readonly IdentityList[],
  now: Instant,
  previous: Pick<HubStatus, "problems"> | undefined,
): readonly Problem[] {
  if (identity === "none") return [];
  const obstacles = lists.map((list) => ({ list, obstacle: obstacleTo(list, now) }));
  const remembered = rememberedWarnings("IdentityUnknown", previous).filter(({ at }) => at === target);
  if (remembered.length > 0 && obstacles.some(({ obstacle }) => obstacle === "soon")) return remembered;
  return [...Map.groupBy(obstacles, ({ obstacle }) => obstacle)].flatMap(([obstacle, all]) => {
    if (obstacle === undefined || obstacle === "soon") return [];
    const why = whyOf(
      obstacle,
      all.map(({ list }) => list),
    );
    const detail = `new endpoints are called in plain text, which STRICT providers refuse, and the others as before, because ${why}`;
    return [{ at: target, code: "IdentityUnknown", detail, severity: "warning" }];
  });
}

/** What the API server says comes last: a long text is cut. */
function whyOf(obstacle: Exclude<Obstacle, "soon">, lists: readonly IdentityList[]): string {
  const names = lists.map(({ resource }) => qualified(resource)).join(" and ");
  const otherwise = "or set spec.identity: none";
  switch (obstacle) {
    case "right": {
      const said = lists.map(({ status }) => (status.state === "synced" ? "" : status.error?.message))[0];
      return `the operator may not read ${names}; grant its ServiceAccount the rights of ClusterRole registryhub-identity, ${otherwise}: ${said}`;
    }
    case "type":
      return `the API server has no ${names}; install Istio's CRDs, ${otherwise}`;
    case "late":
      return `the operator has had no current list of ${names} for more than a minute; look at its log ("not watching"), ${otherwise}`;
  }
}

/** "pods"; "peerauthentications.security.istio.io/v1beta1". */
const qualified = (resource: Resource): string =>
  resource.group === "" ? typeName(resource) : `${typeName(resource)}/${resource.version}`;
