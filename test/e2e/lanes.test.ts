import { beforeAll, expect, test } from "vitest";
import { parseLabelSelector, selectsLabels } from "../../src/model/label-selector.ts";
import { hash } from "../../src/translate/names.ts";
import { type ControllerProcess, startController } from "../support/controllers.ts";
import { eventually } from "../support/eventually.ts";
import { showLogsOnFailure } from "../support/show-logs.ts";
import { recordEntries } from "./recording.ts";
import {
  endpointsOf,
  newTenant,
  providerUrl,
  quickly,
  STATUS_MS,
  type Tenant,
  untilReady,
  useWorld,
} from "./world.ts";

const selector = "lane=gold";
const lease = `registryhub-${hash(selector)}`;
const grey = ["--hub-selector=lane!=gold", "--vip-cidr=240.241.128.0/17"];
const world = useWorld({ hub: [...quickly, ...grey] });
/** As alice, so that the API server tells the writes of the two lanes apart. */
let gold: ControllerProcess;
beforeAll(async () => {
  const admin = ["clusterrolebinding", "alice", "--clusterrole=cluster-admin", "--user=alice"];
  await world.api.kubectl(["create", ...admin]);
  const kubeconfig = await world.api.kubeconfigFor(world.api.aliceToken);
  const own = [`--hub-selector=${selector}`, "--vip-cidr=240.241.0.0/17", "--leader-elect"];
  gold = await startController("hub-controller", kubeconfig, [...quickly, ...own]);
  return () => gold[Symbol.asyncDispose]();
});
showLogsOnFailure(() => [gold]);

const label = ({ namespace }: Tenant, name: string, text: string): Promise<unknown> =>
  world.api.kubectl(["label", "--overwrite", "registryhub", name, "-n", namespace, text]);

/** Who wrote what since then. */
async function writesSince(since: Date, resource: string): Promise<readonly string[]> {
  const writes = await world.api.writes({ since, userAgent: "registryhub-hub-controller" });
  return writes
    .filter((write) => write.resource === resource)
    .map(({ user, verb, name }) => `${user.split(":").at(-1) ?? ""} ${verb} ${name}`);
}

const statusIsOf = async (since: Date, lane: string, name: string): Promise<void> =>
  eventually(
    async () => expect(await writesSince(since, "registryhubs")).toContain(`${lane} patch ${name}`),
    STATUS_MS,
  );

test("a hub that is labelled changes its process: nothing is written to its entries, and the new one follows", async () => {
  const tenant = await newTenant(world);
  const [first = ""] = await tenant.provide(
    providerUrl("org.example.A", "10.42.9.1:20880"),
    providerUrl("org.example.B", "10.42.9.2:20880"),
  );
  await tenant.applyHub();
  await untilReady(tenant);
  const recording = await recordEntries(world.recorder, tenant.namespace);
  let since = new Date();
  await label(tenant, "hub", selector);
  await eventually(
    async () =>
      expect((await gold.get("/metrics")).body).toContain(
        `registryhub_registry_up{hub="${tenant.namespace}/hub"`,
      ),
    STATUS_MS,
  );
  expect((await world.controllers.hub.get("/metrics")).body).not.toContain(`hub="${tenant.namespace}/hub"`);
  await untilReady(tenant);
  expect(await recording.changes()).toEqual([]);

  await tenant.provide(providerUrl("org.example.A", "10.42.9.3:20880"));
  await statusIsOf(since, "alice", "hub");
  expect((await tenant.entries()).map(endpointsOf)).toEqual([
    ["10.42.9.1:20880", "10.42.9.3:20880"],
    ["10.42.9.2:20880"],
  ]);
  const writes = await writesSince(since, "serviceentries");
  expect(writes.map((write) => write.split(" ").slice(0, 2).join(" "))).toEqual(["alice patch"]);

  since = new Date();
  await gold.kill();
  await world.writer.delete(first);
  await label(tenant, "hub", "lane=grey");
  await eventually(
    async () =>
      expect((await tenant.entries()).map(endpointsOf)).toEqual([["10.42.9.3:20880"], ["10.42.9.2:20880"]]),
    STATUS_MS,
  );
  await gold.restart();
  expect(await writesSince(since, "serviceentries")).toEqual([expect.stringMatching(/^registryhub patch /)]);
});

test("a host of two lanes is the older hub's, and the other lane says so", async () => {
  const tenant = await newTenant(world);
  await tenant.provide(providerUrl("org.example.A", "10.42.9.1:20880"));
  await tenant.applyHub({}, "old");
  await untilReady(tenant, { name: "old" });
  const recording = await recordEntries(world.recorder, tenant.namespace);
  const other = await newTenant(world);
  await other.provide(providerUrl("org.example.A", "10.42.9.2:20880"));
  await tenant.applyHub({ zookeeper: { root: other.root } }, "young");
  await label(tenant, "young", selector);
  await eventually(async () => {
    const [problem] = (await tenant.hub("young")).status?.problems ?? [];
    expect(problem).toMatchObject({
      severity: "rejected",
      problem: expect.stringMatching(/^OtherLane: hub .*\/old /),
    });
  }, STATUS_MS);
  await world.api.kubectl(["delete", "registryhub", "old", "-n", tenant.namespace]);
  await eventually(
    async () => expect((await tenant.entries()).map(endpointsOf)).toEqual([["10.42.9.2:20880"]]),
    STATUS_MS,
  );
  expect(await recording.changes()).not.toEqual([]);
  expect(await tenant.entries()).toHaveLength(1);
});

test("a lane has a Lease of its own", async () => {
  const leases = await world.api.kubectl(["get", "lease", "-n", "servicemesh", "-o", "name"]);
  expect(leases.split("\n")).toContain(`lease.coordination.k8s.io/${lease}`);
  expect(gold.log().find(({ msg }) => msg === "starting")).toMatchObject({ lease });
});

test("a selector selects what the API server selects", async () => {
  const tenant = await newTenant(world);
  const labels = { a: "lane=gold", b: "lane=silver", c: "lane=", d: "team=shop" };
  for (const [name, text] of Object.entries(labels)) {
    await tenant.applyHub({ suspend: true }, name);
    await label(tenant, name, text);
  }
  await tenant.applyHub({ suspend: true }, "e");
  const hubs = await Promise.all(["a", "b", "c", "d", "e"].map((name) => tenant.hub(name)));
  for (const text of [
    "lane=gold",
    "lane==gold",
    "lane!=gold",
    "lane=",
    "lane!=",
    "lane",
    "!lane",
    "lane in (gold,silver)",
    "lane in (gold,)",
    "lane notin (gold, silver)",
    "lane!=gold,team",
    "lane in (gold,silver),lane!=silver",
  ]) {
    const names = await world.api.kubectl([
      "get",
      "registryhub",
      "-n",
      tenant.namespace,
      "-l",
      text,
      "-o",
      "jsonpath={.items[*].metadata.name}",
    ]);
    const selected = hubs.filter(({ metadata }) => selectsLabels(parseLabelSelector(text), metadata.labels));
    expect([text, selected.map(({ metadata }) => metadata.name).join(" ")]).toEqual([text, names.trim()]);
  }
});
