import { describe, expect, test } from "vitest";
import { readCluster } from "../../../src/cli/read-cluster.ts";
import { inProcessClient } from "../../fakes/api-server/in-process.ts";
import { createFakeApiServer } from "../../fakes/api-server/server.ts";
import { fakeClock } from "../../support/fake-clock.ts";

/** A cluster with a filter in the root namespace and one elsewhere, and how `preview --diff` reads it. */
function openCluster() {
  const clock = fakeClock();
  const api = createFakeApiServer(clock);
  for (const name of ["servicemesh", "team-a"]) {
    api.person.createNamespace(name);
    const metadata = { namespace: name, name: "filter" };
    api.person.put({ apiVersion: "networking.istio.io/v1alpha3", kind: "EnvoyFilter", metadata, spec: {} });
  }
  const client = inProcessClient(api, { user: "alice", userAgent: "test", concurrency: 4 }, clock);
  return { api, read: () => readCluster(client, "servicemesh") };
}

const places = ({ envoyFilters }: Awaited<ReturnType<typeof readCluster>>) =>
  envoyFilters.map(({ metadata }) => metadata.namespace);

describe("the cluster that a diff compares with", () => {
  test("has the filters of all namespaces, and the namespaces", async () => {
    const cluster = await openCluster().read();
    expect(new Set(places(cluster))).toEqual(new Set(["servicemesh", "team-a"]));
    expect(cluster.namespaces).toEqual(new Set(["servicemesh", "team-a"]));
  });

  test("has what there is a right to list", async () => {
    const { api, read } = openCluster();
    api.forbid({ resource: "namespaces" });
    api.forbid({ resource: "envoyfilters", namespace: "" });
    const cluster = await read();
    expect(places(cluster)).toEqual(["servicemesh"]);
    expect(cluster.namespaces).toBeUndefined();
  });
});
