import {
  type Hub,
  identities,
  type RegistrySpec,
  registryTypes,
  subjectAltNamesOf,
} from "../../model/hub.ts";
import type { Stored } from "../../model/kubernetes.ts";
import { type Requirement, selectorOperators } from "../../model/label-selector.ts";
import { annotations } from "../../model/labels.ts";
import type { RegistryHub } from "../../model/registryhub.ts";
import { labelKeyOf } from "../endpoint-labels.ts";
import { hubIdOf } from "../names.ts";
import { exportToOf } from "./export-to.ts";
import { countOf, fieldsOf, isFields, objectAnnotations, objectKeyOf, textOf } from "./json.ts";

/** Why this version cannot use a hub. `detail` names the field and shows no value that may be a secret. */
export interface SpecProblem {
  readonly detail: string;
  readonly nextStep: string;
}

/** The result of reading a stored RegistryHub. */
export type HubReading = { readonly hub: Hub } | { readonly problem: SpecProblem };

const nextStep =
  "Correct the field (kubectl explain registryhub.spec). Until then the hub connects to no registry, and its entries stay.";

/**
 * Reads a RegistryHub and fills in the defaults that crds/registryhub.yaml describes. Another version of the CRD may have
 * accepted a hub that this version cannot use. Such a hub is a problem, and nothing is guessed: a policy that keeps
 * entries must not become one that removes them.
 */
export function readHub(object: Stored<RegistryHub>): HubReading {
  try {
    return { hub: hubOf(object) };
  } catch (error) {
    if (error instanceof BadField) return { problem: { detail: error.message, nextStep } };
    throw error;
  }
}

/** Never leaves this file. The message is the `detail` of a SpecProblem. */
class BadField extends Error {
  override readonly name = "BadField";
}

function hubOf(object: Stored<RegistryHub>): Hub {
  const { metadata } = object;
  const spec = fieldsOf(object.spec);
  const services = optional(spec, "spec.services", block) ?? {};
  const instances = optional(spec, "spec.instances", block) ?? {};
  const secret = optional(spec, "spec.secretRef", block);
  const outlierDetection = optional(spec, "spec.outlierDetection", flag);
  return {
    id: hubIdOf(objectKeyOf(object)),
    key: objectKeyOf(object),
    namespace: metadata.namespace ?? "",
    name: metadata.name,
    uid: textOf(metadata.uid) ?? "",
    createdAt: textOf(metadata.creationTimestamp) ?? "",
    generation: countOf(metadata.generation) ?? 0,
    registry: registryOf(spec),
    target: required(spec, "spec.generate_to", namespaceName),
    protocol: optional(spec, "spec.protocol", oneOf(["tcp", "http"])) ?? "tcp",
    l7: optional(spec, "spec.l7", flag) ?? true,
    ...(outlierDetection !== undefined && { outlierDetection }),
    ...exportToOf(optional(spec, "spec.exportTo", exportNames) ?? []),
    identity: optional(spec, "spec.identity", oneOf(identities)) ?? "auto",
    ...subjectAltNamesOf(optional(spec, "spec.subjectAltNames", texts) ?? []),
    policy: optional(spec, "spec.policy", oneOf(["sync", "upsert-only", "observe"])) ?? "sync",
    suspend: optional(spec, "spec.suspend", flag) ?? false,
    filter: {
      include: optional(services, "spec.services.include", texts) ?? ["*"],
      exclude: optional(services, "spec.services.exclude", texts) ?? [],
    },
    instances: {
      selector: selectorOf(instances, "spec.instances.selector"),
      labels: (optional(instances, "spec.instances.labels", texts) ?? []).map((key) => ({
        key,
        label: labelKeyOf(key),
      })),
      weights: optional(instances, "spec.instances.weights", flag) ?? true,
      shares: sharesOf(instances, "spec.instances.shares"),
    },
    ...(secret && { secretName: required(secret, "spec.secretRef.name", text) }),
    releaseHold: objectAnnotations(object)[annotations.releaseHold] ?? "",
  };
}

function sharesOf(instances: Fields, path: string): Hub["instances"]["shares"] {
  const shares = (optional(instances, path, blocks) ?? []).map((one, at) => ({
    name: required(one, `${path}[${at}].name`, labelValue),
    selector: selectorOf(one, `${path}[${at}].selector`),
    percent: required(one, `${path}[${at}].percent`, percentage),
  }));
  if (new Set(shares.map(({ name }) => name)).size < shares.length)
    throw new BadField(`${path} is a list with two shares of one name`);
  if (shares.reduce((sum, { percent }) => sum + percent, 0) > 100)
    throw new BadField(`${path} is more than 100 percent in all`);
  return shares;
}

/** The field that `path` ends with; absent, it selects everything. Source: k8s.io/apimachinery LabelSelector. Both parts have to hold. */
function selectorOf(fields: Fields, path: string): Hub["instances"]["selector"] {
  const selector = optional(fields, path, block) ?? {};
  const labels = optional(selector, `${path}.matchLabels`, textFields) ?? {};
  const expressions = optional(selector, `${path}.matchExpressions`, blocks) ?? [];
  return {
    requirements: [
      ...Object.entries(labels).map(([key, value]) => ({ key, operator: "in" as const, values: [value] })),
      ...expressions.map((one, at) => requirementOf(one, `${path}.matchExpressions[${at}]`)),
    ],
  };
}

function requirementOf(expression: Fields, path: string): Requirement {
  const key = required(expression, `${path}.key`, text);
  const operator = required(expression, `${path}.operator`, operatorName);
  const values = optional(expression, `${path}.values`, texts) ?? [];
  const needsValues = operator === "In" || operator === "NotIn";
  if (needsValues && values.length === 0) throw new BadField(`${path}.values is missing`);
  if (!needsValues && values.length > 0) throw new BadField(`${path}.values is not for operator ${operator}`);
  return { key, operator: selectorOperators[operator], values };
}

function registryOf(spec: Fields): RegistrySpec {
  const type = required(spec, "spec.type", oneOf(registryTypes));
  const tls = optional(spec, "spec.tls", block) ?? {};
  const base = {
    address: required(spec, "spec.address", text),
    tls: {
      enabled: optional(tls, "spec.tls.enabled", flag) ?? false,
      insecureSkipVerify: optional(tls, "spec.tls.insecureSkipVerify", flag) ?? false,
    },
  };
  const own = optional(spec, `spec.${type}`, block) ?? {};
  switch (type) {
    case "zookeeper":
      return { ...base, type, root: optional(own, "spec.zookeeper.root", rootPath) ?? "/dubbo" };
    case "nacos":
      return {
        ...base,
        type,
        namespace: optional(own, "spec.nacos.namespace", anyText) ?? "",
        groups: optional(own, "spec.nacos.groups", texts) ?? [],
      };
    case "eureka": {
      const seconds = optional(own, "spec.eureka.pollIntervalSeconds", pollSeconds) ?? 5;
      return { ...base, type, pollIntervalMs: seconds * 1_000 };
    }
    case "consul":
      return {
        ...base,
        type,
        datacenter: optional(own, "spec.consul.datacenter", anyText) ?? "",
        tags: optional(own, "spec.consul.tags", texts) ?? [],
        includeWarning: optional(own, "spec.consul.includeWarning", flag) ?? false,
      };
  }
}

type Fields = Readonly<Record<string, unknown>>;

/** A kind of value; `name` ends the sentence "spec.x is not …". */
interface Kind<T> {
  readonly name: string;
  /** Whether the sentence may quote a wrong text: nobody puts a password there. */
  readonly isQuoted?: true;
  readonly is: (value: unknown) => value is T;
}

const maxQuoted = 63;

const isText = (value: unknown): value is string => typeof value === "string";
const matching =
  (pattern: RegExp) =>
  (value: unknown): value is string =>
    isText(value) && pattern.test(value);

const text: Kind<string> = { name: "a text that is not empty", is: matching(/./) };
const anyText: Kind<string> = { name: "a text", is: isText };
const flag: Kind<boolean> = { name: "true or false", is: (value) => typeof value === "boolean" };
const block: Kind<Fields> = { name: "an object", is: isFields };
const texts: Kind<readonly string[]> = {
  name: "a list of texts",
  is: (value): value is readonly string[] => Array.isArray(value) && value.every(isText),
};
const textFields: Kind<Readonly<Record<string, string>>> = {
  name: "an object of texts",
  is: (value): value is Readonly<Record<string, string>> =>
    isFields(value) && Object.values(value).every(isText),
};
const blocks: Kind<readonly Fields[]> = {
  name: "a list of objects",
  is: (value): value is readonly Fields[] => Array.isArray(value) && value.every(isFields),
};
const namespaceName: Kind<string> = {
  name: "the name of a namespace",
  isQuoted: true,
  is: matching(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/),
};
const exportNames: Kind<readonly string[]> = {
  name: 'a list of namespaces, or "*" alone, or "." alone',
  is: (value): value is readonly string[] =>
    texts.is(value) && (["*", "."].includes(value.join()) || value.every((one) => namespaceName.is(one))),
};
const rootPath: Kind<string> = { name: "a path such as /dubbo", is: matching(/^(\/[^/\s]+)+$/) };
const pollSeconds: Kind<number> = {
  name: "a whole number of seconds from 1 to 300",
  is: (value): value is number => Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 300,
};
const labelValue: Kind<string> = {
  name: "a name that a label can have",
  isQuoted: true,
  is: matching(/^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/),
};
const percentage: Kind<number> = {
  name: "a whole number from 0 to 100",
  is: (value): value is number => Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 100,
};
const oneOf = <T extends string>(values: readonly T[]): Kind<T> => ({
  name: `one of ${values.join(", ")}`,
  isQuoted: true,
  is: (value): value is T => values.some((one) => one === value),
});

const operatorName = oneOf(Object.keys(selectorOperators) as (keyof typeof selectorOperators)[]);

/** The field that `path` ends with; null counts as absent. @throws BadField when it is of another kind. */
function optional<T>(fields: Fields, path: string, { name, is, isQuoted }: Kind<T>): T | undefined {
  const value = fields[path.slice(path.lastIndexOf(".") + 1)];
  if (value === undefined || value === null) return undefined;
  if (is(value)) return value;
  const quoted = isQuoted && isText(value) ? ` ${JSON.stringify(value.slice(0, maxQuoted))}` : "";
  throw new BadField(`${path}${quoted} is not ${name}`);
}

/** As `optional`. @throws BadField also when it is absent. */
function required<T>(fields: Fields, path: string, kind: Kind<T>): T {
  const value = optional(fields, path, kind);
  if (value === undefined) throw new BadField(`${path} is missing`);
  return value;
}
