import { describe, expect, test } from "vitest";
import type { ServiceEntry } from "../../src/model/istio.ts";
import { endpointsOf, providerUrl, SOON_MS, STATUS_MS, untilNothingHeld, untilReady } from "../e2e/world.ts";
import { eventually } from "../support/eventually.ts";
import { installNamespace } from "../support/install.ts";
import { entryOf } from "./members.ts";
import { operator, type Party, useStage } from "./stage.ts";

const { world, open } = useStage({ policies: true });
const iface = "org.example.Shop";

const onlyEntry = (party: Party): Promise<ServiceEntry> =>
  eventually(async () => {
    const entries = await party.entries();
    expect(entries).toHaveLength(1);
    return entries[0] as ServiceEntry;
  }, SOON_MS);

const isListed = (party: Party, ...endpoints: readonly string[]): Promise<void> =>
  eventually(async () => expect((await party.entries()).flatMap(endpointsOf)).toEqual(endpoints), SOON_MS);

const routesOf = async ({ namespace }: Party): Promise<number> =>
  (await world.cluster.envoyFilters(installNamespace)).filter(({ metadata }) =>
    metadata.name?.includes(`.${namespace}-`),
  ).length;

describe("the policies let the operator work, as its ServiceAccount", () => {
  test("an entry and its filter come, follow the registry, and go", async () => {
    const since = new Date();
    const party = await open();
    const [first = ""] = await party.provide(providerUrl(iface, "10.42.1.1:20880"));
    await party.hubOf();
    await isListed(party, "10.42.1.1:20880");
    await eventually(async () => expect(await routesOf(party)).toBe(1), SOON_MS);
    const [second = ""] = await party.provide(providerUrl(iface, "10.42.1.2:20880"));
    await isListed(party, "10.42.1.1:20880", "10.42.1.2:20880");
    await untilReady(party);
    await untilNothingHeld(party);
    await world.writer.delete(first);
    await isListed(party, "10.42.1.2:20880");
    await world.writer.delete(second);
    await eventually(async () => expect(await party.entries()).toEqual([]), STATUS_MS);
    await eventually(async () => expect(await routesOf(party)).toBe(0), SOON_MS);

    const { namespace } = party;
    const writes = await world.api.writes({ since, user: operator, namespace, resource: "serviceentries" });
    expect(writes.map(({ verb }) => verb)).toEqual(expect.arrayContaining(["patch", "delete"]));
    expect(writes.filter(({ code = 0 }) => code === 403 || code >= 500)).toEqual([]);
  });

  test("what a tenant edits and deletes is put right, marks and virtual IP included", async () => {
    const party = await open();
    await party.provide(providerUrl(iface, "10.42.1.3:20880"));
    await party.hubOf();
    await untilReady(party);
    const before = await onlyEntry(party);
    const target = ["serviceentry", before.metadata.name ?? "", "-n", party.namespace];
    const hubLabels = Object.keys(before.metadata.labels ?? {}).filter((key) => key.startsWith("hub.ecns."));
    expect(hubLabels).toHaveLength(1);
    const labels = { ...Object.fromEntries(hubLabels.map((key) => [key, null])), team: "shop" };
    const annotations = { "ecns.easystack.cn/hubs": null };
    const edit = { metadata: { labels, annotations }, spec: { endpoints: [], addresses: null } };
    await party.member.kubectl(["patch", ...target, "--type=merge", "-p", JSON.stringify(edit)]);
    await eventually(async () => {
      const [entry] = await party.entries();
      expect(entry?.spec).toEqual(before.spec);
      expect(entry?.metadata.labels).toEqual({ ...before.metadata.labels, team: "shop" });
      expect(entry?.metadata.annotations?.["ecns.easystack.cn/hubs"]).toBe(`${party.namespace}/hub`);
    }, SOON_MS);
    await party.member.kubectl(["delete", ...target]);
    await eventually(async () => {
      const [entry] = await party.entries();
      expect(entry?.metadata.uid).not.toBe(before.metadata.uid);
      expect(entry?.spec).toEqual(before.spec);
    }, SOON_MS);
  });

  test("an entry of the old product is taken over", async () => {
    const party = await open();
    const { namespace, member } = party;
    const marks = {
      labels: { manager: "aeraki", registry: "dubbo2istio" },
      annotations: { interface: iface, workloadSelector: "" },
    };
    const name = `aeraki-org-example-shop-1-0-0-${namespace}`;
    const host = { hosts: [`org.example.shop-1.0.0.${namespace}`], addresses: ["240.240.0.9"] };
    await member.create(entryOf(namespace, name, marks, host));
    await party.provide(providerUrl(iface, "10.42.1.4:20880"));
    await party.hubOf();
    await untilReady(party);
    const { metadata, spec } = await onlyEntry(party);
    expect(metadata.labels).toMatchObject({ ...marks.labels, "app.kubernetes.io/managed-by": "registryhub" });
    expect(spec.addresses).toEqual(host.addresses);
  });
});
