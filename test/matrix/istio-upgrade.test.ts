import { beforeAll, describe, expect, test } from "vitest";
import { istioVersions } from "../bed/istio-crds.ts";
import {
  endpointsOf,
  newTenant,
  providerUrl,
  RETRY_MS,
  type Tenant,
  untilFailed,
  untilReady,
  useWorld,
} from "../e2e/world.ts";
import { eventually } from "../support/eventually.ts";

const world = useWorld({ istio: false });

let tenant: Tenant;
beforeAll(async () => {
  tenant = await newTenant(world);
  await tenant.applyHub();
});

/** What the controllers asked the API server to do with Istio's objects. */
async function writesSince(since: Date): Promise<readonly string[]> {
  const writes = await world.api.writes({ since, userAgent: "registryhub-" });
  return writes
    .filter(({ resource }) => ["serviceentries", "envoyfilters"].includes(resource))
    .map(({ verb, resource }) => `${verb} ${resource}`)
    .sort();
}

async function serveEntriesAsV1beta1(served: boolean): Promise<void> {
  const crd = ["crd", "serviceentries.networking.istio.io"];
  const { spec } = JSON.parse(await world.api.kubectl(["get", ...crd, "-o", "json"])) as {
    readonly spec: { readonly versions: readonly { readonly name: string }[] };
  };
  const at = spec.versions.findIndex(({ name }) => name === "v1beta1");
  const patch = [{ op: "replace", path: `/spec/versions/${at}/served`, value: served }];
  await world.api.kubectl(["patch", ...crd, "--type=json", "-p", JSON.stringify(patch)]);
}

describe("Istio's CRDs under a running operator", () => {
  const providers: string[] = [];

  test.each(istioVersions)("upgraded to %s: the next provider is one write", async (version) => {
    const isFirst = providers.length === 0;
    const since = new Date();
    await world.api.applyCrds(version);
    providers.push(`10.42.9.${providers.length + 1}:20880`);
    await tenant.provide(providerUrl("org.example.Range", providers.at(-1) ?? ""));
    await eventually(async () => {
      const entries = await tenant.entries();
      expect(entries.map(endpointsOf)).toEqual([providers]);
      expect(await world.cluster.envoyFilters("servicemesh")).toHaveLength(2);
    }, RETRY_MS);
    await untilReady(tenant);
    const created = ["patch envoyfilters", "patch envoyfilters", "patch serviceentries"];
    expect(await writesSince(since)).toEqual(isFirst ? created : ["patch serviceentries"]);
  });

  test("without the version that the operator writes: said in words; when it is back, nothing is written", async () => {
    const since = new Date();
    await serveEntriesAsV1beta1(false);
    const why = "the cluster does not serve networking.istio.io/v1beta1 ServiceEntry";
    await untilFailed(tenant, "IstioMissing", why, RETRY_MS);
    await serveEntriesAsV1beta1(true);
    await untilReady(tenant, { deadlineMs: RETRY_MS });
    expect((await tenant.entries()).map(endpointsOf)).toEqual([providers]);
    expect(await writesSince(since)).toEqual([]);
  });
});
