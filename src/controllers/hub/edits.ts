import type { Hub } from "../../model/hub.ts";

/**
 * What an edit of a hub means for its session:
 * "forget": the hub has another registry;
 * "reopen": the session connects to the registry again;
 * "relist": the same listing means other hosts or endpoints;
 * "redose": the same listing means other weights, and for some instances no endpoint;
 * "resettle": the hub may remove more than before, so settling and the brake come first;
 * "expect": the listed hosts need a new plan and write;
 * "ask": the hub asks for other services than the ones listed so far.
 */
export type EditEffect = "forget" | "reopen" | "relist" | "redose" | "resettle" | "expect" | "ask";

const table: readonly { readonly of: (hub: Hub) => unknown; readonly effects: readonly EditEffect[] }[] = [
  { of: registryOf, effects: ["forget", "reopen", "relist"] },
  { of: ({ target }) => target, effects: ["relist", "resettle", "expect"] },
  { of: ({ filter, instances }) => [filter, selecting(instances)], effects: ["reopen", "ask"] }, // the new watch settles
  {
    of: ({ instances: { shares } }) => shares.map(({ name, percent }) => [name, percent]),
    effects: ["redose"],
  },
  { of: ({ policy }) => policy, effects: ["resettle", "expect"] },
  { of: ({ suspend }) => suspend, effects: ["reopen", "expect"] },
  { of: ({ secretName, registry }) => [secretName, registry.tls], effects: ["reopen"] },
  {
    of: (hub) => [
      hub.l7,
      hub.outlierDetection,
      hub.exportTo,
      hub.protocol,
      hub.identity,
      hub.subjectAltNames,
    ],
    effects: ["expect"],
  },
];

/** All effects of an edit; none if the session does not depend on what changed. */
export function editEffects(before: Hub, after: Hub): ReadonlySet<EditEffect> {
  return new Set(table.flatMap(({ of, effects }) => (isSame(of(before), of(after)) ? [] : effects)));
}

/** Whether two hubs read the same registry: the same address, type and type block. */
export function isSameRegistry(one: Hub, other: Hub): boolean {
  return isSame(registryOf(one), registryOf(other));
}

/** What has to be asked of instances, and what decides about more than weights. */
function selecting({ shares, ...others }: Hub["instances"]): unknown {
  return [others, shares.map(({ selector }) => selector)];
}

function registryOf({ registry }: Hub): unknown {
  return { ...registry, tls: undefined };
}

function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
