import fc from "fast-check";
import { expect, test } from "vitest";
import { ListingIndex } from "../../src/controllers/hub/listing-index.ts";
import { isCovered } from "../../src/kube/covered.ts";
import type { Entry, HostKey } from "../../src/model/entry.ts";
import type { ServiceEntry } from "../../src/model/istio.ts";
import type { ServiceInstance } from "../../src/model/service.ts";
import { planHost } from "../../src/plan/host.ts";
import { listingOf } from "../../src/translate/listing.ts";
import { entryOf } from "../../src/translate/read-back/service-entry.ts";
import { serviceEntryOf } from "../../src/translate/service-entry.ts";
import { claimOf, hubOf, inputOf, instanceOf, serviceOf } from "../support/model.ts";

type Metadata = ServiceInstance["metadata"];

const spring = hubOf({ type: "eureka", address: "http://eureka:8761/eureka" });
const host = `${spring.target}/pay.${spring.target}`;

/** What somebody may register about an instance: from nothing to a megabyte. */
const metadata: fc.Arbitrary<Metadata> = fc.oneof(
  fc.constant({}),
  fc.dictionary(fc.string({ maxLength: 80, unit: "binary" }), fc.string({ maxLength: 80, unit: "binary" })),
  fc
    .tuple(
      fc.integer({ min: 0, max: 300 }),
      fc.integer({ min: 1, max: 50 }),
      fc.integer({ min: 0, max: 100 }),
    )
    .map(([count, keyLength, valueLength]) =>
      Object.fromEntries(
        Array.from({ length: count }, (_, at) => [`k${at}`.padEnd(keyLength, "y"), "v".repeat(valueLength)]),
      ),
    ),
  fc.constantFrom("version", "methods", "interface", "eurekaName", "user.password").map((key) => ({
    [key]: "x".repeat(2_000),
  })),
);

/** The instances from one number to another, of which each has one of these. */
const listings = fc.record({
  from: fc.integer({ min: 0, max: 500 }),
  count: fc.oneof(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 400, max: 2_600 })),
  kinds: fc.array(metadata, { minLength: 1, maxLength: 3 }),
});
type Listing = typeof listings extends fc.Arbitrary<infer T> ? T : never;

const instancesOf = ({ from, count, kinds }: Listing): readonly ServiceInstance[] =>
  Array.from({ length: count }, (_, at) =>
    instanceOf({
      address: `10.42.${(from + at) >> 8}.${(from + at) & 255}`,
      protocol: "tcp",
      version: "",
      metadata: kinds[at % kinds.length] ?? {},
    }),
  );

/** The host after the hub has listed these, as the cluster then has it. */
function after(actual: Entry | undefined, instances: readonly ServiceInstance[]): ServiceEntry | undefined {
  const listing = listingOf(serviceOf({ name: "PAY", kind: "spring", instances }), spring);
  const claims = new Map([[spring.id, claimOf(spring.key, { listed: listing.byHost.get(host) ?? [] })]]);
  const { step } = planHost(inputOf({ host, actual, claims }));
  if (step.op === "none") return undefined;
  if (step.op !== "apply") throw new Error(`planned ${step.op}`);
  return serviceEntryOf(step.entry);
}

const bytesOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

test("law: whatever instances register, what lives stays, what is dead goes, and the API server takes the object", () => {
  fc.assert(
    fc.property(fc.array(listings, { minLength: 2, maxLength: 4 }), fc.boolean(), (story, isOld) => {
      let actual: Entry | undefined = isOld ? storedByEarlierVersion(story[0]) : undefined;
      for (const listing of story) {
        const instances = instancesOf(listing);
        const object = after(actual, instances);
        if (object === undefined) continue;
        const { spec, metadata: about } = object;
        const has = new Set(spec.endpoints?.map(({ address }) => address));
        const listed = new Set(instances.map(({ address }) => address));
        for (const { address } of actual?.endpoints.values() ?? [])
          if (listed.has(address) !== has.has(address)) throw new Error(`${address} is ${has.has(address)}`);
        for (const { labels = {} } of spec.endpoints ?? [])
          if (Object.keys(labels).length > 32 || Object.entries(labels).flat().join("").length > 2_000)
            throw new Error(`too many labels: ${JSON.stringify(labels)}`);
        expect(bytesOf(about.annotations)).toBeLessThan(10_000);
        const stays = [...has].filter((address) => isIn(actual, address ?? "")).length;
        expect(bytesOf(object)).toBeLessThan(stays < has.size ? 1_200_000 : 1_450_000);
        const next = entryOf(object);
        const again = after(next, instances);
        if (again !== undefined && !isCovered(again, object)) throw new Error("a second look writes again");
        actual = next;
      }
    }),
    { numRuns: 40 },
  );
});

const isIn = (entry: Entry | undefined, address: string): boolean =>
  entry?.endpoints.values().some((one) => one.address === address) ?? false;

/** An entry with more endpoints and labels than this version would write. */
function storedByEarlierVersion(listing: Listing | undefined): Entry | undefined {
  const object = after(undefined, instancesOf({ from: 0, count: 10, kinds: [{}], ...listing }).slice(0, 10));
  const entry = object && entryOf(object);
  const [one] = entry?.endpoints.values() ?? [];
  if (entry === undefined || one === undefined) return undefined;
  const endpoints = Array.from({ length: 2_300 }, (_, at) => {
    const address = `10.42.${at >> 8}.${at & 255}`;
    const labels = {
      ...one.labels,
      ...Object.fromEntries(Array.from({ length: 20 }, (_, key) => [`k${key}`, "v"])),
    };
    return [`${address}:20880`, { ...one, address, hostPort: `${address}:20880`, labels }] as const;
  });
  return { ...entry, endpoints: new Map(endpoints) };
}

const names = Array.from({ length: 12 }, (_, at) => `demo.S${at}`);
const dubbo = hubOf();
const hostOf = (name: string): HostKey => `${dubbo.target}/${name.toLowerCase()}.${dubbo.target}`;
const services = new Map(
  names.map((name) => [name, serviceOf({ name, instances: [instanceOf({ version: "" })] })] as const),
);

/** What may happen to a hub with a cap: a listing, a plan that is carried out, an entry that goes, a restart with another cap. */
const happenings = fc.oneof(
  fc.record({ what: fc.constant("lists" as const), listed: fc.subarray(names) }),
  fc.record({ what: fc.constant("writes" as const), few: fc.integer({ min: 1, max: 12 }) }),
  fc.record({ what: fc.constant("drops" as const) }),
  fc.record({ what: fc.constant("restarts" as const), most: fc.integer({ min: 1, max: 12 }) }),
);

test("law: a cap on services takes nothing away that the cluster has and the registry lists, and lets in no more", () => {
  fc.assert(
    fc.property(fc.array(happenings, { minLength: 5, maxLength: 30 }), fc.nat(12), (story, first) => {
      const owned = new Set<HostKey>();
      const open = (most: number) =>
        new ListingIndex({ most, ownedAtMost: () => owned.size, owned: () => owned });
      let [index, most, listed] = [open(first), first, new Map<string, ReturnType<typeof serviceOf>>()];
      const lists = (): void => {
        const had = new Set(index.hosts());
        const { lost, found } = index.update(listed, dubbo);
        const isListed = (name: string): boolean => listed.has(name);
        for (const is of names.filter(isListed).map(hostOf)) {
          expect(index.has(is) || (!owned.has(is) && !had.has(is)), `${is} is left out`).toBe(true);
          expect(index.has(is) || index.isUnknown(is, undefined), `${is} is known`).toBe(true);
        }
        const now = new Set(index.hosts());
        expect(new Set(lost)).toEqual(had.difference(now));
        expect(new Set(found)).toEqual(now.difference(had));
        for (const is of lost)
          expect(names.some((name) => isListed(name) && hostOf(name) === is)).toBe(false);
        const all = owned.union(now);
        const comesIn = found.some((is) => !owned.has(is));
        expect(comesIn && all.size > most, "too many come in").toBe(false);
        const leftOut = names.filter((name) => isListed(name) && !index.has(hostOf(name)));
        expect(leftOut.length > 0 && all.size < most, "there is room").toBe(false);
        expect(index.problems.length).toBe(leftOut.length > 0 ? 1 : 0);
      };
      for (const happening of story) {
        if (happening.what === "lists")
          listed = new Map([...services].filter(([name]) => happening.listed.includes(name)));
        else if (happening.what === "writes")
          for (const is of [...index.hosts()].slice(0, happening.few)) owned.add(is);
        else if (happening.what === "drops") {
          for (const is of owned) if (!index.has(is) && !index.isUnknown(is, undefined)) owned.delete(is);
        } else [index, most] = [open(happening.most), happening.most];
        lists();
      }
    }),
    { numRuns: 300 },
  );
});
