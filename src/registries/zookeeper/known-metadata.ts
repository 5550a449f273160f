import type { Problem } from "../../model/problems.ts";
import type { Metadata } from "../kinds/dubbo/application.ts";
import type { MetadataService } from "../kinds/dubbo/metadata-info.ts";

type Obstacle = Exclude<Metadata, object>;

/** What is known of a revision: what it serves, also if that was read earlier and now there is an obstacle. */
export type KnownMetadata =
  | { readonly services: readonly MetadataService[]; readonly obstacle?: Obstacle }
  | Obstacle;

/** A revision does not change what it serves, so what was read of it holds. */
export function remembering(metadata: Metadata, before: KnownMetadata | undefined): KnownMetadata {
  if (typeof metadata === "object") return { services: metadata };
  return typeof before === "object" ? { services: before.services, obstacle: metadata } : metadata;
}

export function metadataOf(known: KnownMetadata = "missing"): Metadata {
  return typeof known === "object" ? known.services : known;
}

export function obstacleOf(known: KnownMetadata): Obstacle | undefined {
  return typeof known === "object" ? known.obstacle : known;
}

/** One for each application of which some metadata is only remembered; the keys are `<application>/<revision>`. */
export function metadataProblems(metadata: ReadonlyMap<string, KnownMetadata>): readonly Problem[] {
  const lost = [...metadata].filter(([, known]) => typeof known === "object" && known.obstacle !== undefined);
  const applications = new Set(lost.map(([key]) => key.slice(0, key.indexOf("/"))));
  const detail =
    "the metadata of its live instances can no longer be read, so the operator goes on with what it read before; restart the application, or grant READ to the hub's user";
  return [...applications].toSorted().map((at) => ({ at, code: "Unreadable", detail, severity: "warning" }));
}
