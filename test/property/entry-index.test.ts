import fc from "fast-check";
import { expect, test } from "vitest";
import { EntryIndex } from "../../src/controllers/writes/entry-index.ts";
import type { ServiceEntry } from "../../src/model/istio.ts";
import { hubOf } from "../support/model.ts";

const hub = hubOf({});
const elsewhere = { id: hub.id, key: hub.key, target: "other" };
const namesake = { id: hub.id, key: "other/hub", target: "dubbozk" };
const asked = [hub, elsewhere, namesake];

/** Objects of few names and hosts, so that they are copies and rivals of each other, ours or not. */
const objects: fc.Arbitrary<ServiceEntry> = fc
  .record({
    namespace: fc.constantFrom("dubbozk", "other"),
    name: fc.constantFrom("a", "b", "c"),
    host: fc.constantFrom("a", "b"),
    isOurs: fc.boolean(),
    owners: fc.subarray([hub.key, namesake.key]),
    endpoints: fc.nat(2),
    isWritten: fc.boolean(),
    created: fc.constantFrom("2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"),
  })
  .map(({ namespace, name, host, isOurs, owners, endpoints, isWritten, created }) => ({
    apiVersion: "networking.istio.io/v1beta1",
    kind: "ServiceEntry",
    metadata: {
      namespace,
      name,
      creationTimestamp: created,
      labels: isOurs
        ? { "app.kubernetes.io/managed-by": "registryhub", [`hub.ecns.easystack.cn/${hub.id}`]: "" }
        : {},
      annotations: { "ecns.easystack.cn/hubs": owners.join(",") },
      managedFields: isWritten ? [{ manager: "registryhub", time: created }] : [],
    },
    spec: {
      hosts: [`${host}.${namespace}`],
      endpoints: Array.from({ length: endpoints }, (_, at) => ({
        address: `10.0.0.${at + 1}`,
        labels: { "ecns.easystack.cn/by": hub.id },
      })),
    },
  }));

/** An object that is there from now on, or one that is not any more. */
const changes = fc.array(fc.record({ object: objects, isGone: fc.boolean(), ask: fc.subarray(asked) }), {
  maxLength: 30,
});

test("what a hub owns is the same whether it was asked for before the cluster changed or after", () => {
  fc.assert(
    fc.property(changes, (all) => {
      const store = new Map<string, ServiceEntry>();
      const index = new EntryIndex(store);
      for (const { object, isGone, ask } of all) {
        for (const one of ask) index.ownedBy(one);
        const key = `${object.metadata.namespace}/${object.metadata.name}`;
        if (isGone) store.delete(key);
        else store.set(key, object);
        index.update(key);
      }
      const fresh = new EntryIndex(store);
      for (const key of store.keys()) fresh.update(key);
      for (const one of asked) {
        const [was, is] = [index.ownedBy(one), fresh.ownedBy(one)];
        const owned = is.all.filter(({ writtenAt }) => writtenAt !== "");
        const names = [...new Set(owned.map(({ name }) => name))].sort();
        expect(was.all).toEqual(is.all);
        expect(was.first(9).map(({ name }) => name)).toEqual(names);
        expect([was.written, was.services, was.endpoints]).toEqual([
          names.length,
          is.all.filter(({ endpoints }) => endpoints > 0).length,
          is.all.reduce((sum, { endpoints }) => sum + endpoints, 0),
        ]);
      }
    }),
    { numRuns: 500 },
  );
});
