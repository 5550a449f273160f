import fc from "fast-check";
import type { Claim, Endpoint, Entry } from "../../src/model/entry.ts";
import type { ServiceInstance } from "../../src/model/service.ts";
import { type HostInput, type HostPlan, planHost } from "../../src/plan/host.ts";
import { hubIdOf } from "../../src/translate/names.ts";
import { entryOf } from "../../src/translate/read-back/service-entry.ts";
import { serviceEntryOf } from "../../src/translate/service-entry.ts";
import { claimOf, endpointOf, inputOf, springEndpointOf } from "../support/model.ts";

/** Hubs, oldest first. */
export const hubs = ["dubbozk/a", "dubbozk/b", "other/c"].map((key) => ({ key, id: hubIdOf(key) }));

/** Few addresses, so that hubs meet, on one of two ports. */
const addresses = fc
  .tuple(fc.integer({ min: 1, max: 5 }), fc.constantFrom(20_880, 20_881))
  .map(([host, port]) => `10.0.0.${host}:${port}`);

/** Now and then of another protocol. */
const dubboEndpoints: fc.Arbitrary<Endpoint> = fc
  .record({
    hostPort: addresses,
    protocol: fc.constantFrom("dubbo" as const, "dubbo" as const, "dubbo" as const, "grpc" as const),
    labels: fc.dictionary(fc.constantFrom("version", "application"), fc.constantFrom("1", "2")),
  })
  .map(({ hostPort, ...overrides }) => endpointOf(hostPort, overrides));

/** As one registry spells the service; in Nacos it has a group. */
const springEndpoints = (registry: string): fc.Arbitrary<Endpoint> =>
  fc
    .tuple(addresses, fc.constantFrom("ORDER", "Order", "order"), fc.constantFrom("g1", "g1", "g2"))
    .map(([hostPort, name, group]) =>
      springEndpointOf(hostPort, { registry, name, registryGroup: registry === "nacos" ? group : "" }),
    );

/** What the three hubs say of one host, each of its registry's endpoints; some say nothing at all. */
const claimSetsOf = (
  registries: readonly fc.Arbitrary<Endpoint>[],
): fc.Arbitrary<ReadonlyMap<string, Claim>> =>
  fc
    .tuple(
      ...hubs.map(({ key, id }, at) =>
        fc
          .record({
            says: fc.boolean(),
            listed: fc.array(registries[at] ?? dubboEndpoints, { maxLength: 6 }),
            unlisted: fc.constantFrom("gone" as const, "unknown" as const),
            l7: fc.boolean(),
            outlierDetection: fc.boolean(),
            exportTo: fc.constantFrom(["a"], ["a", "b"], ["."]),
            identity: fc.constantFrom("auto" as const, "auto" as const, "none" as const),
            subjectAltNames: fc.constantFrom(["a"], ["a", "b"]),
            protocol: fc.constantFrom("tcp" as const, "http" as const),
          })
          .map(({ says, ...claim }) => (says ? [[id, claimOf(key, claim)] as const] : [])),
      ),
    )
    .map((some) => new Map(some.flat()));

/** What the cluster hands back after an entry was written to it. */
export const stored = (entry: Entry): Entry | undefined => entryOf(serviceEntryOf(entry));

/** The entry that the cluster has after the plan was carried out. */
export function carriedOut(actual: Entry | undefined, { step }: HostPlan): Entry | undefined {
  if (step.op === "apply") return stored(step.entry);
  return step.op === "delete" ? undefined : actual;
}

/** Of the five hosts two are pods with a sidecar, and of one it is not known. */
const speaksMtls: HostInput["speaksMtls"] = ({ address }) =>
  address === "10.0.0.1" ? undefined : ["10.0.0.2", "10.0.0.4"].includes(address);

/** One look at a host after the other, as the worker does it: every hub that owns some of the entry has a claim. */
export function look(
  actual: Entry | undefined,
  said: ReadonlyMap<string, Claim>,
  overrides: Partial<HostInput> = {},
): { readonly input: HostInput; readonly plan: HostPlan; readonly after: Entry | undefined } {
  const owners = new Set([
    ...(actual?.hubs.keys() ?? []),
    ...[...(actual?.endpoints.values() ?? [])].flatMap(({ by }) => [...by]),
  ]);
  const claims = new Map([...said].filter(([id, claim]) => claim.listed.length > 0 || owners.has(id)));
  const input = inputOf({ actual, claims, speaksMtls, ...overrides });
  const plan = planHost(input);
  return { input, plan, after: carriedOut(actual, plan) };
}

/** Entries as they come about: by a few rounds of claims. */
const entriesOf = (claims: fc.Arbitrary<ReadonlyMap<string, Claim>>): fc.Arbitrary<Entry | undefined> =>
  fc
    .array(claims, { maxLength: 3 })
    .map((rounds) => rounds.reduce<Entry | undefined>((actual, said) => look(actual, said).after, undefined));

/** One host: what the cluster has of it, and what the hubs say. */
const hostOf = (registries: readonly fc.Arbitrary<Endpoint>[]) => {
  const claims = claimSetsOf(registries);
  return fc.record({ actual: entriesOf(claims), claims });
};
/** A Dubbo service in three registries, or a Spring service in three that spell it differently. */
export const dubboHosts = hostOf([]);
export const springHosts = hostOf(["eureka", "consul", "nacos"].map(springEndpoints));

/** Everything a registry may hand over, odd text included. */
const text = fc.string({ unit: "binary", maxLength: 80 });
const javaName = fc.stringMatching(/^[A-Za-z_$][A-Za-z0-9_$]{0,70}(\.[A-Za-z_$][A-Za-z0-9_$]{0,10}){0,4}$/);
export const serviceNames = fc.oneof(javaName, text);

export const instances: fc.Arbitrary<ServiceInstance> = fc.record({
  address: fc.oneof(fc.ipV4(), fc.ipV6(), fc.constantFrom("10.0.0.1", "10.0.0.2"), text),
  port: fc.oneof(fc.constantFrom(20_880, 20_881), fc.integer(), fc.double()),
  protocol: fc.constantFrom("dubbo", "grpc", "http", "tcp"),
  version: fc.oneof(fc.constantFrom("", "1.0.0"), text),
  group: fc.oneof(fc.constantFrom("", "g1"), text),
  metadata: fc.dictionary(fc.oneof(fc.constantFrom("application", "version", "a..b/x"), text), text),
});
