import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isCovered } from "../../src/kube/covered.ts";
import type { Claim, Endpoint, Entry } from "../../src/model/entry.ts";
import { splitKey } from "../../src/model/keys.ts";
import { type ClaimInputs, claimsOn } from "../../src/plan/claims.ts";
import { fits } from "../../src/plan/shape.ts";
import { isAsWritten } from "../../src/translate/read-back/service-entry.ts";
import { serviceEntryOf } from "../../src/translate/service-entry.ts";
import { hubOf, inputOf, trusted } from "../support/model.ts";
import { dubboHosts, hubs, look, springHosts, stored } from "./arbitraries.ts";

const gone = (claims: ReadonlyMap<string, Claim>, id: string): boolean =>
  (claims.get(id)?.unlisted ?? "gone") === "gone";

/** A listing is sorted by service; of Spring services of one host, those of one group count as one here. */
const byService = (listed: readonly Endpoint[]): readonly Endpoint[] =>
  listed.toSorted((one, other) => one.service.registryGroup.localeCompare(other.service.registryGroup));

type Law = (actual: Entry | undefined, claims: ReadonlyMap<string, Claim>) => void;

/** Every law holds for whatever entry the cluster has and whatever the hubs say. */
const lawOf =
  (hosts: typeof dubboHosts) =>
  (holds: Law): void =>
    fc.assert(
      fc.property(hosts, ({ actual, claims }) => holds(actual, claims)),
      { numRuns: 300 },
    );

describe.each([
  ["Dubbo", dubboHosts],
  ["Spring", springHosts],
])("one host of a %s service", (kind, hosts) => {
  const law = lawOf(hosts);

  test("carrying out a plan leaves nothing to plan", () =>
    law((actual, claims) => {
      const { after } = look(actual, claims);
      const again = look(after, claims, { now: "2030-01-01T00:00:00Z" }).plan.step;
      const isQuiet =
        again.op === "apply" && after !== undefined
          ? isCovered(serviceEntryOf(again.entry), serviceEntryOf(after))
          : again.op === "none";
      expect(isQuiet).toBe(true);
    }));

  test("an endpoint leaves only when every hub that vouched for it says so, has no claim, or lists it otherwise", () =>
    law((actual, claims) => {
      const { after, input } = look(actual, claims);
      for (const endpoint of actual?.endpoints.values() ?? []) {
        if (after?.endpoints.has(endpoint.hostPort)) continue;
        for (const id of endpoint.by) {
          const listsIt = input.claims.get(id)?.listed.some(({ hostPort }) => hostPort === endpoint.hostPort);
          expect(listsIt || gone(input.claims, id), `${endpoint.hostPort} was vouched for by ${id}`).toBe(
            true,
          );
        }
      }
    }));

  test("every endpoint that is listed and fits is there", () =>
    law((actual, claims) => {
      const { after } = look(actual, claims);
      for (const { listed } of claims.values())
        for (const endpoint of listed) {
          const isThere = after?.endpoints.has(endpoint.hostPort);
          expect(after !== undefined && (isThere || !fits(endpoint, after.shape))).toBe(true);
        }
    }));

  test("nothing is there that nobody lists and nobody holds", () =>
    law((actual, claims) => {
      const { after, input } = look(actual, claims);
      for (const { hostPort, by } of after?.endpoints.values() ?? []) {
        expect(by.size).toBeGreaterThan(0);
        for (const id of by) {
          const claim = input.claims.get(id);
          const isHeld = claim?.unlisted === "unknown" && actual?.endpoints.get(hostPort)?.by.has(id);
          expect(isHeld || claim?.listed.some((one) => one.hostPort === hostPort)).toBe(true);
        }
      }
    }));

  test("no entry is deleted while a hub that claims it cannot tell", () =>
    law((actual, claims) => {
      const { plan, input } = look(actual, claims, { emptyForMs: Number.MAX_SAFE_INTEGER });
      const unsure = [...input.claims.keys()].filter((id) => !gone(input.claims, id));
      expect(plan.step.op === "delete" ? unsure : []).toEqual([]);
    }));

  test("name and VIP never change; the shape stays while one endpoint fits it or there is none", () =>
    law((actual, claims) => {
      const { after, plan, input } = look(actual, claims);
      if (actual === undefined || after === undefined) return;
      expect([after.name, after.vip]).toEqual([actual.name, actual.vip]);
      const listed = [...input.claims.values()].flatMap((claim) => claim.listed);
      const stays =
        listed.some((one) => fits(one, actual.shape)) || listed.length === 0 || plan.withheld.size > 0;
      const { protocol, service } = kind === "Dubbo" ? actual.shape : after.shape; // a Spring entry follows its hubs in these
      expect(stays ? after.shape : actual.shape).toEqual(
        stays ? { ...actual.shape, protocol, service } : actual.shape,
      );
    }));

  test("the order in which a registry lists its instances does not matter", () =>
    law((actual, claims) => {
      const reversed = [...claims].map(([id, claim]) => {
        const seen = new Map(claim.listed.map((one) => [`${one.hostPort} ${one.protocol}`, one]));
        return [id, { ...claim, listed: byService([...seen.values()]) }] as const;
      });
      const turned = reversed.map(
        ([id, claim]) => [id, { ...claim, listed: byService(claim.listed.toReversed()) }] as const,
      );
      expect(look(actual, new Map(turned)).after).toEqual(look(actual, new Map(reversed)).after);
    }));

  test("an endpoint is called by mTLS as its pod speaks it, unless one of its hubs says none; unknown is as before", () =>
    law((actual, claims) => {
      const { after, input } = look(actual, claims);
      for (const endpoint of after?.endpoints.values() ?? []) {
        const before = actual?.endpoints.get(endpoint.hostPort)?.mtls ?? false;
        const isNone = [...endpoint.by].some((id) => input.claims.get(id)?.identity === "none");
        const expected = !isNone && (input.speaksMtls(endpoint) ?? before);
        expect(endpoint.mtls ?? false).toBe(expected);
      }
    }));

  test("what is withheld is what stays for no other reason", () =>
    law((actual, claims) => {
      const { after, plan, input } = look(actual, claims);
      for (const { id } of hubs) {
        const claim = input.claims.get(id);
        const carried = [...(after?.endpoints.values() ?? [])].filter(
          ({ hostPort, by }) =>
            by.has(id) &&
            !claim?.listed.some((one) => one.hostPort === hostPort && after && fits(one, after.shape)),
        );
        expect(plan.withheld.get(id) ?? 0).toBe(carried.length);
      }
    }));

  test("a hub of another target that has somebody's id changes nothing, with or without the name behind it", () =>
    law((actual) => {
      const { host } = inputOf();
      const inputs = (key: string, id: string, target: string): ClaimInputs => {
        const [namespace, name] = splitKey(key);
        const hub = { ...hubOf({ generate_to: target }, { namespace, name }), id };
        return { hub, mayWrite: true, trust: trusted, listed: [], isUnknown: false };
      };
      const innocent = hubs.slice(1).map(({ key, id }) => inputs(key, id, "dubbozk"));
      const namesakes = hubs.map(({ id }) => inputs(`evil/${id}`, id, "evil"));
      const nameless = actual && { ...actual, hubs: new Map([...actual.hubs.keys()].map((id) => [id, ""])) };
      for (const one of [actual, nameless]) {
        const said = (all: readonly ClaimInputs[]) => claimsOn(host, one, all, () => undefined);
        expect(said([...namesakes, ...innocent])).toEqual(said(innocent));
      }
    }));

  test("what was written is what is read back", () =>
    law((actual) => {
      expect(actual && stored(actual)).toEqual(actual);
    }));

  test("what was written is as written, whatever others add, until somebody changes the address", () =>
    law((actual) => {
      if (actual === undefined) return;
      const object = serviceEntryOf(actual);
      const withSpec = (spec: object) => ({ ...object, spec: { ...object.spec, ...spec } });
      const [isExported, isBound] = [actual.exportTo !== undefined, actual.subjectAltNames !== undefined];
      expect(isAsWritten(withSpec({ exportTo: ["elsewhere"] }))).toBe(!isExported);
      expect(isAsWritten(withSpec({ subjectAltNames: ["elsewhere"] }))).toBe(!isBound);
      const both = { exportTo: ["elsewhere"], subjectAltNames: ["elsewhere"] };
      expect(isAsWritten(withSpec(both))).toBe(!isExported && !isBound);
      expect(isAsWritten(withSpec({ workloadSelector: {} }))).toBe(true);
      expect(isAsWritten(withSpec({ addresses: ["240.241.0.99"] }))).toBe(false);
    }));
});

test("a Spring entry speaks what the hubs of its endpoints say, where they say the same", () =>
  lawOf(springHosts)((actual, claims) => {
    const { after } = look(actual, claims);
    const contributing = [...(after?.endpoints.values() ?? [])].flatMap(({ by }) => [...by]);
    const said = new Set(contributing.map((id) => claims.get(id)?.protocol));
    const [agreed] = said;
    expect(said.size === 1 ? after?.shape.protocol : agreed).toBe(agreed);
  }));
