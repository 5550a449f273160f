import { describe, expect, test } from "vitest";
import { HubHosts } from "../../../../src/controllers/hub/hub-hosts.ts";
import { HostLedger } from "../../../../src/controllers/hub/ledger.ts";
import { ListingIndex } from "../../../../src/controllers/hub/listing-index.ts";
import { EntryIndex } from "../../../../src/controllers/writes/entry-index.ts";
import type { ServiceEntry } from "../../../../src/model/istio.ts";
import type { Service } from "../../../../src/model/service.ts";
import { fakeClock } from "../../../support/fake-clock.ts";
import { endpointOf, hubOf, instanceOf, serviceOf, writtenEntry } from "../../../support/model.ts";

const hub = hubOf();
const host = (name: string, namespace = "dubbozk"): string => `${namespace}/${name}.${namespace}`;

/** The entry of a Dubbo interface with so many endpoints, as the hub wrote it into its target of that time. */
function entryOf(name: string, endpoints = 1, namespace = "dubbozk"): ServiceEntry {
  const service = { ...endpointOf("10.0.0.1:1").service, name };
  const listed = Array.from({ length: Math.max(endpoints, 1) }, (_, at) =>
    endpointOf(`10.0.0.${at + 1}:20880`, { service }),
  );
  const entry = writtenEntry(hub, host(name.toLowerCase(), namespace), listed);
  return endpoints > 0 ? entry : { ...entry, spec: { ...entry.spec, endpoints: [] } };
}

const dubbo = (name: string, instances: Service["instances"] = [instanceOf({ version: "" })]): Service =>
  serviceOf({ name, instances });

/** What the cluster has, and what the registry lists; the ledger is empty. */
function open(entries: readonly ServiceEntry[], listed: readonly Service[] = []) {
  const objects = new Map(
    entries.map((entry) => [`${entry.metadata.namespace}/${entry.metadata.name}`, entry]),
  );
  const index = new EntryIndex(objects);
  for (const key of objects.keys()) index.update(key);
  const listings = new ListingIndex();
  listings.update(new Map(listed.map((service) => [service.id, service])), hub);
  const ledger = new HostLedger(fakeClock(), () => undefined);
  return { hosts: new HubHosts(index, listings, ledger), ledger };
}

test("a hub's hosts are those it lists, those the cluster has of it, and those with a record", () => {
  const { hosts, ledger } = open([entryOf("a"), entryOf("b")], [dubbo("b"), dubbo("c")]);
  ledger.markPending([host("c"), host("d")], "listing");
  expect([...new Set(hosts.all(hub))].sort()).toEqual(["a", "b", "c", "d"].map((name) => host(name)));
});

describe("missing is", () => {
  test("what has endpoints of the hub in its target and is not listed", () => {
    const entries = [entryOf("listed"), entryOf("gone"), entryOf("empty", 0), entryOf("moved", 1, "before")];
    const { hosts } = open(entries, [dubbo("listed")]);
    expect(hosts.missing(hub)).toEqual([host("gone")]);
  });

  test("nothing that could not be read: a Dubbo interface with all its versions, a Spring service by its host", () => {
    const unread = [dubbo("a", "unknown"), serviceOf({ name: "B", kind: "spring", instances: "unknown" })];
    const own = ["a", "b", "c"].map((name) => entryOf(name));
    const theirs = entryOf("theirs");
    const foreign = { ...theirs, metadata: { ...theirs.metadata, labels: {}, annotations: {} } };
    const { hosts } = open([...own, foreign], unread);
    expect(hosts.missing(hub)).toEqual([host("c")]);
    const isReadable = ["a", "b", "c", "theirs", "without-entry"].map((name) => hosts.isReadable(host(name)));
    expect(isReadable).toEqual([false, false, true, true, true]);
  });

  test("nothing of another hub", () => {
    const { hosts } = open([entryOf("a")]);
    expect(hosts.missing(hubOf({}, { name: "other" }))).toEqual([]);
  });
});

test("everything is readable where nothing was unreadable", () => {
  expect(open([entryOf("a")]).hosts.isReadable(host("a"))).toBe(true);
});

describe("endpoints in the cluster", () => {
  test("are those of all hosts; of two targets the fuller one counts", () => {
    const [a, b] = [entryOf("a", 2), entryOf("b", 3)];
    expect(open([a, b]).hosts.endpointsInCluster(hub)).toBe(5);
    expect(open([a, b, entryOf("a", 4, "before")]).hosts.endpointsInCluster(hub)).toBe(5);
    expect(open([a, entryOf("a", 4, "before")]).hosts.endpointsInCluster(hub)).toBe(4);
  });

  test("are none where the hub has no entry", () => {
    expect(open([]).hosts.endpointsInCluster(hub)).toBe(0);
  });
});

describe("the successor of a host of an earlier target", () => {
  test("is that of its service in the present one, while it waits for its write", () => {
    const { hosts, ledger } = open([]);
    const successor = () => hosts.unwrittenSuccessor(hub, host("a", "before"));
    expect(successor()).toBeUndefined();
    ledger.markPending([host("a")], "decision");
    expect(successor()).toBe(host("a"));
    ledger.recordPlan(host("a"), 0, []);
    ledger.markApplied(host("a"));
    expect(successor()).toBeUndefined();
  });

  test("is none for a host of the target itself, or one that is not called by its namespace", () => {
    const { hosts, ledger } = open([]);
    ledger.markPending([host("a"), "dubbozk/a.exdubbozk", "dubbozk/a.edubbozk"], "decision");
    expect(hosts.unwrittenSuccessor(hub, host("a"))).toBeUndefined();
    expect(hosts.unwrittenSuccessor(hub, "before/a.example")).toBeUndefined();
    expect(hosts.unwrittenSuccessor(hub, "ample/a.example")).toBeUndefined();
  });
});
