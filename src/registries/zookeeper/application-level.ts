import type { Problem } from "../../model/problems.ts";
import { inParallel } from "../../runtime/parallel.ts";
import type { Session } from "./session.ts";

/**
 * Bounds what a registry with thousands of outlived mappings costs; the rest is named once these are mended.
 */
const maxInterfaces = 200;
const maxInFlight = 64;

/**
 * Interfaces that live providers serve without having registered them: they announced their application only,
 * so consumers outside of Dubbo cannot see what they serve. By interface, the applications.
 *
 * Dubbo 3 and dubbo-go write `<root>/mapping/<interface>` = "app1,app2", which never shrinks, and
 * `/services/<app>/<ip:port>` while an instance lives. `isUnserved` tells which interfaces are worth asking
 * for. What may not be read is left out: this is advice. `changed` is called once when asking again could
 * give another result.
 * Source: apache/dubbo, ZookeeperMetadataReport.registerServiceAppMapping; ServiceDiscovery.
 */
export async function readApplicationLevel(
  session: Session,
  root: string,
  isUnserved: (name: string) => boolean,
  changed: () => void,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const mapping = await session.children(`${root}/mapping`, changed);
  if (typeof mapping === "string") return new Map();
  const names = mapping.children.filter(isUnserved).toSorted().slice(0, maxInterfaces);
  const mapped = new Map<string, readonly string[]>();
  await inParallel(names, maxInFlight, async (name) => {
    const node = await session.data(`${root}/mapping/${name}`, changed);
    if (typeof node !== "string") mapped.set(name, applicationNames(node.data));
  });
  const live = new Set<string>();
  await inParallel(new Set([...mapped.values()].flat()), maxInFlight, async (application) => {
    const instances = await session.children(`/services/${application}`, changed);
    if (typeof instances !== "string" && instances.children.length > 0) live.add(application);
  });
  const served = [...mapped].map(([name, all]) => [name, all.filter((one) => live.has(one))] as const);
  return new Map(served.filter(([, applications]) => applications.length > 0));
}

/** What the owner of an application should do so that its interface can be seen. */
export function applicationLevelOnly(name: string, applications: readonly string[]): Problem {
  const advice = "set dubbo.application.register-mode=all (dubbo-go: registry-type: all)";
  const detail = `${applications.join(", ")} registered the application without its interfaces; ${advice}`;
  return { at: name, code: "ApplicationLevelOnly", detail, severity: "warning" };
}

/** Names that can be one path segment; anything else is not an application. */
function applicationNames(data: string): readonly string[] {
  const names = data.split(",").map((name) => name.trim());
  return [...new Set(names)]
    .filter((name) => /^[^/\0]+$/.test(name) && name !== "." && name !== "..")
    .toSorted();
}
