import { describe, expect, test } from "vitest";
import { addressKey } from "../../../../src/registries/kinds/dubbo/registered-addresses.ts";
import { Applications, type ApplicationsView } from "../../../../src/registries/zookeeper/applications.ts";
import type { Session } from "../../../../src/registries/zookeeper/session.ts";
import { systemClock } from "../../../../src/runtime/clock.ts";
import { instanceNode, metadataInfo, type TestProcess } from "../../../support/dubbo-application.ts";

const one: TestProcess = { address: "10.0.0.1", port: 20_880, revision: "r1" };
const two: TestProcess = { address: "10.0.0.2", port: 20_880, revision: "r1", storage: "local" };
const metadata = "/dubbo/metadata/app/r1";
const nodeOf = ({ address, port }: TestProcess): string => `/services/app/${address}:${port}`;

/** Applications over nodes that are in memory. `reads` are the paths that the last `refresh` asked for. */
function applicationsOver(nodes: Map<string, string>) {
  let reads: string[] = [];
  const watches = new Map<string, () => void>();
  const stat = { czxid: 1n, mzxid: 1n, pzxid: 1n, ctime: 1n } as never;
  const childrenOf = (path: string): string[] => {
    const below = [...nodes.keys()].filter((node) => node.startsWith(`${path}/`));
    return [...new Set(below.map((node) => node.slice(path.length + 1).split("/")[0] ?? ""))];
  };
  const session: Session = {
    server: "zk:2181",
    zxid: () => 1n,
    sync: async () => {},
    async children(path, changed) {
      reads.push(path);
      watches.set(path, changed);
      const children = childrenOf(path);
      return children.length > 0 ? { children, stat } : "missing";
    },
    async data(path, changed) {
      reads.push(path);
      if (changed) watches.set(path, changed);
      const data = nodes.get(path);
      return data === undefined ? "missing" : { data, stat };
    },
  };
  const registered = new Set<string>();
  const applications = new Applications({
    session,
    base: "/dubbo",
    wants: () => true,
    changed: () => {},
    clock: systemClock,
  });
  return {
    applications,
    registered,
    fire: (path: string) => watches.get(path)?.(),
    async refresh(): Promise<{ view: ApplicationsView; reads: readonly string[] }> {
      reads = [];
      const view = await applications.refresh(new Set(), (address) => registered.has(address));
      return { view, reads: reads.toSorted() };
    },
  };
}

describe("what reading applications costs", () => {
  const app = (): Map<string, string> =>
    new Map([
      [nodeOf(one), instanceNode("app", one)],
      [metadata, metadataInfo("app", "r1", [{ name: "a.B" }])],
      ["/dubbo/metadata/app/r0", metadataInfo("app", "r0", [{ name: "a.Old" }])],
      ["/dubbo/mapping/a.B", "app"],
    ]);

  test("everything of use once, and nothing again", async () => {
    const { refresh } = applicationsOver(app());
    const first = await refresh();
    expect(first.reads).toEqual(
      ["/dubbo/mapping", metadata, "/services", "/services/app", nodeOf(one)].toSorted(),
    );
    const second = await refresh();
    expect(second.reads).toEqual([]);
    expect(second.view).toBe(first.view);
  });

  test("a change costs what has changed, and nothing else is made anew", async () => {
    const nodes = app();
    const { refresh, fire } = applicationsOver(nodes);
    const first = await refresh();
    fire(nodeOf(one));
    const touched = await refresh();
    expect(touched.reads).toEqual([nodeOf(one)]);
    expect(touched.view.applications).toBe(first.view.applications);
    nodes.set(nodeOf(one), instanceNode("app", { ...one, revision: "r0" }));
    fire(nodeOf(one));
    const changed = await refresh();
    expect(changed.reads).toEqual(["/dubbo/metadata/app/r0", nodeOf(one)].toSorted());
    expect(changed.view.applications[0]?.providers.keys().toArray()).toEqual(["a.Old"]);
  });

  test("instances of one revision share its metadata", async () => {
    const nodes = app();
    for (let last = 2; last < 20; last++) {
      const process = { ...one, address: `10.0.0.${last}` };
      nodes.set(nodeOf(process), instanceNode("app", process));
    }
    const { reads } = await applicationsOver(nodes).refresh();
    expect(reads.filter((path) => path === metadata)).toHaveLength(1);
  });

  test("local metadata and mapping are looked for only where no interface says what is served", async () => {
    const nodes = new Map([
      [nodeOf(two), instanceNode("app", two)],
      ["/dubbo/mapping/a.B", "app"],
    ]);
    const { refresh, registered } = applicationsOver(nodes);
    registered.add(addressKey(two.address, two.port));
    const twin = await refresh();
    expect(twin.reads).toEqual(["/dubbo/mapping", "/services", "/services/app", nodeOf(two)].toSorted());
    registered.clear();
    const alone = await refresh();
    expect(alone.reads).toEqual([metadata, "/dubbo/app/r1", "/dubbo/mapping/a.B"].toSorted());
    expect(alone.view.mapping).toEqual(new Map([["a.B", ["app"]]]));
  });

  test("distrust reads all of it again, and equal answers change nothing", async () => {
    const { refresh, applications } = applicationsOver(app());
    const first = await refresh();
    applications.invalidate();
    const again = await refresh();
    expect(again.reads).toEqual(first.reads);
    expect(again.view.applications).toBe(first.view.applications);
  });
});
