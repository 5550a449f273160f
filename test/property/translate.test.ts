import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { wants } from "../../src/model/hub.ts";
import type { Service } from "../../src/model/service.ts";
import { chooseVip, vipPool } from "../../src/plan/vip.ts";
import { addressProblem } from "../../src/translate/addresses.ts";
import { labelsOf } from "../../src/translate/endpoint-labels.ts";
import { outboundFilter } from "../../src/translate/envoy-filter.ts";
import { listingOf } from "../../src/translate/listing.ts";
import { hostOf, objectName } from "../../src/translate/names.ts";
import { hubOf, pool } from "../support/model.ts";
import { instances, serviceNames } from "./arbitraries.ts";

const dnsLabel = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const isDnsName = (name: string): boolean =>
  name.length <= 253 && name.split(".").every((part) => dnsLabel.test(part));
const labelName = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const labelValue = /^(([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9])?$/;
const services: fc.Arbitrary<Service> = fc.record({
  id: fc.constant("id"),
  kind: fc.constantFrom("dubbo" as const, "spring" as const),
  name: serviceNames,
  instances: fc.array(instances, { maxLength: 8 }),
  problems: fc.constant([]),
});

describe("names", () => {
  test("are legal DNS names or none", () => {
    fc.assert(
      fc.property(serviceNames, (name) => {
        const place = hostOf(name, "ns");
        if (place === undefined) return;
        expect(place.host).toSatisfy(isDnsName);
        for (const kind of ["dubbo", "spring"] as const)
          for (const taken of [true, false])
            expect(objectName(kind, place.host, () => taken)).toSatisfy(isDnsName253);
        const route = {
          serviceEntry: "ns/x",
          host: place.host,
          vip: "240.241.255.254",
          port: 65_535,
          interface: name,
          outlierDetection: true,
        };
        expect(outboundFilter(route, "servicemesh").metadata.name).toSatisfy(isDnsName253);
      }),
      { numRuns: 500 },
    );
  });

  /** metadata.name: a DNS subdomain, whose labels may be longer than 63. */
  const isDnsName253 = (name: string): boolean =>
    name.length <= 253 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(name);

  test("of different services differ, but for case", () => {
    fc.assert(
      fc.property(serviceNames, serviceNames, (one, other) => {
        const [a, b] = [hostOf(one, "ns"), hostOf(other, "ns")];
        const isSame = a !== undefined && a.host === b?.host;
        expect(isSame && one.toLowerCase() !== other.toLowerCase()).toBe(false);
      }),
    );
  });

  test("of Java interfaces that differ in one illegal character differ", () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^[a-z]{1,70}$/),
        fc.constantFrom("_", "$", "é"),
        fc.constantFrom("-", "ß", " "),
        (name, a, b) => {
          expect(hostOf(`${name}${a}x`, "ns")?.host).not.toBe(hostOf(`${name}${b}x`, "ns")?.host);
        },
      ),
    );
  });
});

describe("listings", () => {
  const hub = hubOf();

  test("never throw, and list only what may be called, with legal labels", () => {
    fc.assert(
      fc.property(services, (service) => {
        for (const [host, endpoints] of listingOf(service, hub).byHost) {
          expect(host.slice("dubbozk/".length)).toSatisfy(isDnsName);
          for (const { address, port, labels } of endpoints) {
            expect(addressProblem(address, port)).toBeUndefined();
            expect(Object.values(labels).every((value) => labelValue.test(value))).toBe(true);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  test("ignore the order of instances", () => {
    const inOrder = (service: Service) => {
      const { byHost, problems } = listingOf(service, hub);
      return [
        [...byHost].sort(([a], [b]) => (a < b ? -1 : 1)),
        problems.map((one) => JSON.stringify(one)).sort(),
      ];
    };
    fc.assert(
      fc.property(services, (service) => {
        if (service.instances === "unknown") return;
        expect(inOrder({ ...service, instances: service.instances.toReversed() })).toEqual(inOrder(service));
      }),
    );
  });

  test("account for every instance: each is an endpoint or a problem, also beside others", () => {
    const asked = (service: Service) =>
      [...listingOf(service, hub).byHost].flatMap(([host, endpoints]) =>
        endpoints.map((one) => [host, one.hostPort, one.protocol, one.service.serviceKey].join(" ")),
      );
    fc.assert(
      fc.property(services, fc.array(instances, { maxLength: 8 }), (given, all) => {
        const service = { ...given, instances: all };
        const alone = all.map((instance) => ({ ...service, instances: [instance] }));
        for (const one of alone) {
          const rejected = listingOf(one, hub).problems.filter(({ severity }) => severity === "rejected");
          expect(asked(one).length + rejected.length).toBe(1);
        }
        expect(new Set(asked(service))).toEqual(new Set(alone.flatMap(asked)));
        expect(asked(service)).toHaveLength(new Set(asked(service)).size);
      }),
      { numRuns: 300 },
    );
  });
});

test("labels are legal whatever a provider says", () => {
  const text = fc.oneof(fc.string({ maxLength: 80 }), fc.stringMatching(/^[a-zA-Z0-9._/-]{0,80}$/));
  fc.assert(
    fc.property(fc.dictionary(text, text), (metadata) => {
      for (const [key, value] of Object.entries(labelsOf(metadata).labels)) {
        const [name, domain, more] = key.split("/").toReversed();
        expect([name, more]).toEqual([expect.stringMatching(labelName), undefined]);
        expect(domain ?? "none").toSatisfy(isDnsName);
        expect(value).toMatch(labelValue);
      }
    }),
    { numRuns: 1_000 },
  );
});

describe("virtual IPs", () => {
  test("of distinct hosts are distinct, inside the pool, and the same every time", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.domain(), { maxLength: 200 }), (hosts) => {
        const small = vipPool("240.241.7.0/24");
        const give = (): readonly (string | undefined)[] => {
          const used = new Set<string>();
          return hosts.map((host) => {
            const vip = chooseVip(host, small, (ip) => used.has(ip));
            if (vip !== undefined) used.add(vip);
            return vip;
          });
        };
        expect(new Set(give()).size).toBe(hosts.length);
        expect(give()).toEqual(give());
        for (const vip of give()) expect(small.accepts(vip ?? "")).toBe(true);
      }),
      { numRuns: 30 },
    );
  });

  test("every address of a pool is one of its own, and ascending", () => {
    const number = (ip: string): number => ip.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
    fc.assert(
      fc.property(fc.nat(pool.size - 2), (index) => {
        expect(number(pool.at(index))).toBeLessThan(number(pool.at(index + 1)));
        expect(["0", "255"]).not.toContain(pool.at(index).split(".")[3]);
      }),
    );
  });
});

test("globs match as the regular expression they stand for, in any case", () => {
  const text = fc.stringMatching(/^[abA.*]{0,8}$/);
  fc.assert(
    fc.property(text, fc.stringMatching(/^[aBb.]{0,10}$/), (glob, name) => {
      const pattern = glob.replaceAll(".", "\\.").replaceAll("*", ".*");
      expect(wants({ include: [glob], exclude: [] }, name)).toBe(new RegExp(`^${pattern}$`, "i").test(name));
    }),
    { numRuns: 1_000 },
  );
});
