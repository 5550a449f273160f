import { readFileSync } from "node:fs";
import { EnvoyFilter } from "@kubernetes-models/istio/networking.istio.io/v1alpha3/EnvoyFilter";
import { ServiceEntry } from "@kubernetes-models/istio/networking.istio.io/v1beta1/ServiceEntry";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { allOutbound, passesBy } from "../../src/cli/doctor/outbound.ts";
import { missesVip, sees } from "../../src/cli/doctor/scope.ts";
import { EntryIndex } from "../../src/controllers/writes/entry-index.ts";
import { planHost } from "../../src/plan/host.ts";
import { hubStatusOf } from "../../src/status/hub-status.ts";
import { rememberedTrust, type StatusSubject } from "../../src/status/memory.ts";
import { routeOf } from "../../src/translate/dubbo-route.ts";
import { consumerPodOf } from "../../src/translate/read-back/consumer-pod.ts";
import { filterFactsOf } from "../../src/translate/read-back/envoy-filter.ts";
import { readHub } from "../../src/translate/read-back/hub.ts";
import { readStatus } from "../../src/translate/read-back/hub-status.ts";
import { namespaceOnly, withOwnWritesOnly, withoutEndpoints } from "../../src/translate/read-back/kept.ts";
import { entryVisibility, rootNamespaceOf } from "../../src/translate/read-back/mesh-config.ts";
import { admitsHubsOf, isTerminating } from "../../src/translate/read-back/namespace.ts";
import { readCredentials } from "../../src/translate/read-back/secret.ts";
import { addressesOf, entryOf, factsOf, hubsOf } from "../../src/translate/read-back/service-entry.ts";
import { sidecarResourceOf } from "../../src/translate/read-back/sidecar-resource.ts";
import { serviceEntryOf } from "../../src/translate/service-entry.ts";
import { inputOf, pool } from "../support/model.ts";
import { envoyFilterSchema, serviceEntrySchema } from "./istio-schemas.ts";
import { anyJson, loosened, type Schema, valuesOf, violations } from "./schemas.ts";

interface Crd {
  readonly spec: { readonly versions: readonly [{ readonly schema: { readonly openAPIV3Schema: Schema } }] };
}
const crd = parse(readFileSync("crds/registryhub.yaml", "utf8")) as Crd;
const { metadata: _, ...hubProperties } = crd.spec.versions[0].schema.openAPIV3Schema.properties ?? {};
const hubSchema: Schema = { type: "object", required: ["spec"], properties: hubProperties };
const statusSchema = hubProperties.status ?? {};

/** Every API server insists on texts in labels and annotations, whatever a CRD says. */
const notes = fc.dictionary(
  fc.constantFrom(
    "app.kubernetes.io/managed-by",
    "manager",
    "registry",
    "registry-name",
    "hub.ecns.easystack.cn/ddf6610a",
    "ecns.easystack.cn/hubs",
    "ecns.easystack.cn/l7",
    "ecns.easystack.cn/outlier-detection",
    "ecns.easystack.cn/serviceentry",
    "ecns.easystack.cn/original-name",
    "interface",
  ),
  fc.constantFrom(
    "",
    "registryhub",
    "dubbo-controller",
    "aeraki",
    "dubbo2istio",
    "encs",
    "false",
    "a/b,c",
    "a.B",
  ),
);
const metadata = fc.record(
  {
    name: fc.constantFrom("x", "aeraki-outbound-buffer-20880", "aeraki-outbound-buffer-99999999999999999999"),
    namespace: fc.constant("ns"),
    labels: fc.option(notes, { nil: undefined }),
    annotations: fc.option(notes, { nil: undefined }),
    managedFields: fc.option(fc.array(fc.record({ manager: fc.constantFrom("registryhub", "kubectl") })), {
      nil: undefined,
    }),
  },
  { requiredKeys: ["name", "namespace"] },
);

/** Objects of a kind with this schema, in every state in which an API server may have stored them. */
const storedOf = (schema: Schema) => {
  const bodies = [valuesOf(schema), valuesOf(loosened(schema)), valuesOf(loosened(schema), anyJson)];
  return fc
    .tuple(metadata, fc.oneof(...bodies))
    .map(
      ([identity, body]) =>
        Object.assign(JSON.parse(textOf(body) ?? "{}") ?? {}, { metadata: identity }) as never,
    );
};
/** Infinity is what JSON's 1e400 becomes. */
const textOf = (value: unknown): string | undefined =>
  JSON.stringify(value, (_key, one: unknown) => (one === Infinity ? "1e400" : one))?.replaceAll(
    '"1e400"',
    "1e400",
  );

const check = <T>(values: fc.Arbitrary<T>, property: (value: T) => void, numRuns = 1_000): void =>
  fc.assert(fc.property(values, property), { numRuns });
/** For slow properties. */
const fewRuns = 400;

describe("the generators", () => {
  test("make what Istio's schemas accept", () => {
    const identity = { name: "x", namespace: "ns" };
    check(
      valuesOf(serviceEntrySchema),
      (body) => {
        new ServiceEntry({ ...(body as object), metadata: identity } as never).validate();
      },
      fewRuns,
    );
    check(
      valuesOf(envoyFilterSchema),
      (body) => {
        new EnvoyFilter({ ...(body as object), metadata: identity } as never).validate();
      },
      fewRuns,
    );
  });

  test("make what our own schema accepts", () => {
    check(
      valuesOf(hubSchema),
      (body) => {
        expect(violations(hubSchema, body)).toEqual([]);
      },
      fewRuns,
    );
  });
});

describe("whatever is stored is read without a throw", () => {
  test("a ServiceEntry, and what is read of it can be planned with and written", () => {
    check(storedOf(serviceEntrySchema), (object) => {
      for (const kept of [
        object,
        withOwnWritesOnly(object, () => (value) => value),
        withoutEndpoints(object),
      ]) {
        expect(factsOf(kept).ips).not.toContain("");
        expect([...hubsOf(kept).values(), ...addressesOf(kept)].every((one) => typeof one === "string")).toBe(
          true,
        );
        const rules = { foreign: true, accepts: pool.accepts, isCopy: () => false, isTaken: () => false };
        expect(["route", "none", "unclear"]).toContain(routeOf(kept, rules).verdict);
        const entry = entryOf(kept);
        for (const { address, port } of entry?.endpoints.values() ?? []) {
          expect(address).not.toBe("");
          expect(port).toSatisfy((one: number) => Number.isInteger(one) && one > 0 && one < 65_536);
        }
        if (entry === undefined) continue;
        planHost(inputOf({ host: entry.host, actual: entry }));
        expect(violations(serviceEntrySchema.properties?.spec ?? {}, serviceEntryOf(entry).spec)).toEqual([]);
      }
    });
  });

  test("a ServiceEntry, into the index of them all", () => {
    check(
      fc.array(storedOf(serviceEntrySchema), { maxLength: 3 }),
      (versions) => {
        const objects = new Map<string, never>();
        const index = new EntryIndex(objects);
        for (const object of versions) {
          objects.set("ns/x", object);
          for (const host of index.update("ns/x")) index.hostObject(host);
        }
        objects.clear();
        for (const host of index.update("ns/x")) index.release(host);
        expect([[...index.hosts()], [...index.ips()]]).toEqual([[], []]);
      },
      fewRuns,
    );
  });

  test("an EnvoyFilter", () => {
    check(storedOf(envoyFilterSchema), (object) => {
      const { routedPort, ofPort, listener } = filterFactsOf(object);
      for (const port of [routedPort, ofPort]) expect(port ?? 0).toBeTypeOf("number");
      expect(listener ?? "").toBeTypeOf("string");
    });
  });

  test("a RegistryHub, into a hub or a problem that can be told", () => {
    check(storedOf(hubSchema), (object) => {
      const reading = readHub(object);
      expect("hub" in reading ? reading.hub.registry.type : reading.problem.detail).toMatch(
        /^(zookeeper|nacos|eureka|consul|spec\.[\w.[\]]+ (".*" )?is .+)$/,
      );
      const globs = "hub" in reading ? [...reading.hub.filter.include, ...reading.hub.filter.exclude] : [];
      expect(globs.every((glob) => typeof glob === "string")).toBe(true);
    });
  });

  test("its status, into one that can be written again", () => {
    check(
      storedOf({ type: "object", properties: { status: statusSchema } }),
      ({ status }: { status?: unknown }) => {
        const read = readStatus(status);
        expect(read && violations(statusSchema, read)).toEqual(read && []);
      },
    );
  });

  test("a Namespace", () => {
    check(storedOf({ type: "object" }), (object) => {
      expect(admitsHubsOf(namespaceOnly(object), "ns")).toBeTypeOf("boolean");
      expect(isTerminating(object)).toBe(false);
    });
  });

  test("the configuration of a mesh", () => {
    const expressions = fc.array(anyJson);
    const selector = fc.oneof(anyJson, fc.record({ matchLabels: anyJson, matchExpressions: expressions }));
    const rules = fc.array(fc.record({ namespaceSelector: selector }));
    const policies = fc.array(fc.record({ matchingRules: rules }));
    const setting = fc.oneof(anyJson, fc.record({ defaultVisibility: anyJson, policies }));
    check(fc.oneof(anyJson, fc.record({ serviceEntryVisibility: setting })), (mesh) => {
      expect(["PUBLIC", "NAMESPACE", "NONE"]).toContain(entryVisibility(mesh, { a: "b" }).visibility);
      expect(rootNamespaceOf(mesh)).toBeTypeOf("string");
    });
  });

  test("a consumer's Pod, and the Sidecar that it follows", () => {
    const container = fc.record({
      name: fc.constantFrom("app", "istio-proxy", "istio-init"),
      image: anyJson,
      args: fc.oneof(anyJson, fc.array(fc.constantFrom("-i", "-x", "*", "10.0.0.0/99", "a/b", ""))),
      env: fc.oneof(anyJson, fc.array(fc.record({ name: anyJson, value: anyJson }))),
    });
    const containers = fc.oneof(anyJson, fc.array(container));
    const spec = fc.oneof(anyJson, fc.record({ containers, initContainers: containers }));
    const listeners = fc.array(fc.oneof(anyJson, fc.record({ hosts: fc.array(fc.string()), port: anyJson })));
    const scope = fc.oneof(anyJson, fc.record({ egress: listeners, workloadSelector: anyJson }));
    check(fc.tuple(metadata, spec, scope), ([identity, ofPod, ofSidecar]) => {
      const { sidecar } = consumerPodOf({ metadata: identity as never, spec: ofPod });
      const why = passesBy({ ...allOutbound, ...sidecar?.outbound }, "240.241.0.1", 20_880);
      expect(why ?? "").toBeTypeOf("string");
      const resource = sidecarResourceOf({ metadata: identity as never, spec: ofSidecar });
      const wanted = { namespace: "ns", host: "a.ns", port: 1 };
      expect(sees(resource, "ns", wanted)).toBeTypeOf("boolean");
      expect(missesVip(resource, "ns", wanted, true) ?? "").toBeTypeOf("string");
    });
  });

  test("a Secret, of an API server or of a file", () => {
    check(fc.record({ data: anyJson, stringData: anyJson }), (content) => {
      const reading = readCredentials({ metadata: { name: "x" }, ...content });
      const values = "credentials" in reading ? Object.values(reading.credentials) : [reading.problem];
      expect(values.every((one) => typeof one === "string")).toBe(true);
    });
  });
});

test("the status of a hub that cannot be read is one that the CRD accepts, whatever its last one was", () => {
  const previous = fc.option(storedOf({ type: "object", properties: { status: statusSchema } }), {
    nil: undefined,
  });
  check(
    fc.tuple(storedOf(hubSchema), previous),
    ([object, before]) => {
      const reading = readHub(object);
      if ("hub" in reading) return;
      const last = readStatus((before as { status?: unknown } | undefined)?.status);
      const hub: StatusSubject = {
        generation: 1,
        target: last?.generate_to ?? "",
        policy: last?.plan ? "observe" : "sync",
        suspend: false,
        registry: { type: last?.type ?? "", address: last?.address ?? "" },
      };
      const status = hubStatusOf(
        {
          hub,
          previous: last,
          registry: { state: "failed", code: "InvalidSpec", ...reading.problem },
          failure: undefined,
          progress: {
            isListed: false,
            hasAnswered: true,
            hasMoved: false,
            isFresh: false,
            hasNoSession: true,
          },
          syncing: "no",
          held: rememberedTrust(last, hub).held,
          entries: { written: 0, first: () => [] },
          services: 0,
          endpoints: 0,
          excluded: 0,
          problems: [],
          plan: last?.plan,
          origin: last?.origin ?? "",
        },
        "2024-02-04T03:00:00Z",
      );
      expect(violations(statusSchema, status)).toEqual([]);
    },
    fewRuns,
  );
});
