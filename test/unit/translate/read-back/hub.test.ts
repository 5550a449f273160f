import { describe, expect, test } from "vitest";
import { readHub } from "../../../../src/translate/read-back/hub.ts";
import { hubObject } from "../../../support/model.ts";

/** What is wrong with the manual's sample once these fields of its spec are others. */
function problemOf(spec: object) {
  const object = hubObject();
  const reading = readHub({ ...object, spec: { ...object.spec, ...spec } });
  return "problem" in reading ? reading.problem : undefined;
}

describe("a hub that this version cannot use names the field", () => {
  test.each<[object, string]>([
    [{ type: "Eureka" }, 'spec.type "Eureka" is not one of zookeeper, nacos, eureka, consul'],
    [{ type: 7 }, "spec.type is not one of zookeeper, nacos, eureka, consul"],
    [{ type: "constructor" }, 'spec.type "constructor" is not one of zookeeper, nacos, eureka, consul'],
    [{ type: undefined }, "spec.type is missing"],
    [{ address: undefined }, "spec.address is missing"],
    [{ address: null }, "spec.address is missing"],
    [{ address: "" }, "spec.address is not a text that is not empty"],
    [{ address: ["zk:2181"] }, "spec.address is not a text that is not empty"],
    [{ generate_to: undefined }, "spec.generate_to is missing"],
    [{ generate_to: "a/b" }, 'spec.generate_to "a/b" is not the name of a namespace'],
    [{ generate_to: "A" }, 'spec.generate_to "A" is not the name of a namespace'],
    [{ generate_to: "a".repeat(64) }, `spec.generate_to "${"a".repeat(63)}" is not the name of a namespace`],
    [{ policy: "Sync" }, 'spec.policy "Sync" is not one of sync, upsert-only, observe'],
    [{ protocol: "h2" }, 'spec.protocol "h2" is not one of tcp, http'],
    [{ l7: "false" }, "spec.l7 is not true or false"],
    [{ instances: [] }, "spec.instances is not an object"],
    [{ instances: { weights: 1 } }, "spec.instances.weights is not true or false"],
    [{ instances: { labels: "env" } }, "spec.instances.labels is not a list of texts"],
    [{ instances: { selector: [] } }, "spec.instances.selector is not an object"],
    [
      { instances: { selector: { matchLabels: { env: 1 } } } },
      "spec.instances.selector.matchLabels is not an object of texts",
    ],
    [
      { instances: { selector: { matchExpressions: [{ key: "env", operator: "in" }] } } },
      'spec.instances.selector.matchExpressions[0].operator "in" is not one of In, NotIn, Exists, DoesNotExist',
    ],
    [
      { instances: { selector: { matchExpressions: [{ operator: "Exists" }] } } },
      "spec.instances.selector.matchExpressions[0].key is missing",
    ],
    [
      { instances: { selector: { matchExpressions: [{ key: "env", operator: "In" }] } } },
      "spec.instances.selector.matchExpressions[0].values is missing",
    ],
    [
      { instances: { selector: { matchExpressions: [{ key: "env", operator: "Exists", values: ["x"] }] } } },
      "spec.instances.selector.matchExpressions[0].values is not for operator Exists",
    ],
    [
      { instances: { shares: [60, 41].map((percent) => ({ name: `s${percent}`, percent })) } },
      "spec.instances.shares is more than 100 percent in all",
    ],
    [
      { instances: { shares: [60, 40].map((percent) => ({ name: "a", percent })) } },
      "spec.instances.shares is a list with two shares of one name",
    ],
    [{ exportTo: "*" }, 'spec.exportTo is not a list of namespaces, or "*" alone, or "." alone'],
    [{ exportTo: ["a", "*"] }, 'spec.exportTo is not a list of namespaces, or "*" alone, or "." alone'],
    [{ exportTo: ["~"] }, 'spec.exportTo is not a list of namespaces, or "*" alone, or "." alone'],
    [{ identity: "pods" }, 'spec.identity "pods" is not one of auto, none'],
    [{ subjectAltNames: "spiffe://c/ns/a" }, "spec.subjectAltNames is not a list of texts"],
    [{ outlierDetection: "no" }, "spec.outlierDetection is not true or false"],
    [{ instances: { shares: {} } }, "spec.instances.shares is not a list of objects"],
    [{ instances: { shares: [{ percent: 5 }] } }, "spec.instances.shares[0].name is missing"],
    [{ instances: { shares: [{ name: "canary" }] } }, "spec.instances.shares[0].percent is missing"],
    [
      { instances: { shares: [{ name: "a b", percent: 5 }] } },
      'spec.instances.shares[0].name "a b" is not a name that a label can have',
    ],
    [
      { instances: { shares: [{ name: "canary", percent: 101 }] } },
      "spec.instances.shares[0].percent is not a whole number from 0 to 100",
    ],
    [
      {
        instances: {
          shares: [
            { name: "a", percent: 1 },
            { name: "b", percent: 1, selector: { matchLabels: [] } },
          ],
        },
      },
      "spec.instances.shares[1].selector.matchLabels is not an object of texts",
    ],
    [{ suspend: "true" }, "spec.suspend is not true or false"],
    [{ services: ["*"] }, "spec.services is not an object"],
    [{ services: { include: "*" } }, "spec.services.include is not a list of texts"],
    [{ services: { exclude: [7] } }, "spec.services.exclude is not a list of texts"],
    [{ secretRef: "hunter2" }, "spec.secretRef is not an object"],
    [{ secretRef: {} }, "spec.secretRef.name is missing"],
    [{ tls: true }, "spec.tls is not an object"],
    [{ tls: { enabled: 1 } }, "spec.tls.enabled is not true or false"],
    [{ tls: { insecureSkipVerify: "no" } }, "spec.tls.insecureSkipVerify is not true or false"],
    [{ zookeeper: "dubbo" }, "spec.zookeeper is not an object"],
    [{ zookeeper: { root: "dubbo/" } }, "spec.zookeeper.root is not a path such as /dubbo"],
    [{ type: "nacos", nacos: { namespace: 7 } }, "spec.nacos.namespace is not a text"],
    [{ type: "nacos", nacos: { groups: "A" } }, "spec.nacos.groups is not a list of texts"],
    [
      { type: "eureka", eureka: { pollIntervalSeconds: 0 } },
      "spec.eureka.pollIntervalSeconds is not a whole number of seconds from 1 to 300",
    ],
    [{ type: "consul", consul: { datacenter: 1 } }, "spec.consul.datacenter is not a text"],
    [{ type: "consul", consul: { tags: {} } }, "spec.consul.tags is not a list of texts"],
    [{ type: "consul", consul: { includeWarning: 1 } }, "spec.consul.includeWarning is not true or false"],
  ])("%j", (spec, detail) => {
    expect(problemOf(spec)).toEqual({
      detail,
      nextStep: expect.stringMatching(/^Correct the field/) as string,
    });
  });

  test.each([{}, { spec: null }, { spec: "none" }, { spec: [] }])("of no spec at all: %j", (rest) => {
    const { metadata } = hubObject();
    expect(readHub({ metadata, ...rest })).toMatchObject({ problem: { detail: "spec.type is missing" } });
  });
});

test("what another type's block says, and fields that nobody knows, do not matter", () => {
  expect(problemOf({ nacos: 7, later: { than: "this" } })).toBeUndefined();
});

test("null is as good as absent", () => {
  expect(
    problemOf({ policy: null, services: null, secretRef: null, zookeeper: { root: null } }),
  ).toBeUndefined();
});
