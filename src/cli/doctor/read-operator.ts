import type { KubeClient } from "../../kube/client.ts";
import { KubeError } from "../../kube/errors.ts";
import type { Lease } from "../../kube/lease.ts";
import { collectionPath, objectPath, type Resource, resources } from "../../kube/resources.ts";
import type { KubeObject } from "../../model/kubernetes.ts";
import { fieldsOf, listOf } from "../../translate/read-back/json.ts";
import { listAll, noneIfForbidden } from "../list-all.ts";
import { neededRights, type Use } from "./rights.ts";
import type { Right, Sight } from "./sight.ts";

const definitions: Resource = {
  group: "apiextensions.k8s.io",
  version: "v1",
  plural: "customresourcedefinitions",
  kind: "CustomResourceDefinition",
};
const reviews: Resource = {
  group: "authorization.k8s.io",
  version: "v1",
  plural: "subjectaccessreviews",
  kind: "SubjectAccessReview",
};

interface RawObject extends KubeObject {
  readonly spec?: unknown;
  readonly status?: unknown;
}

/** Looks at the operator itself: who leads, what it may do, and the CRD. @throws KubeError when there is no answer. */
export async function lookAtOperator(
  client: KubeClient,
  use: Use,
  signal: AbortSignal,
): Promise<Pick<Sight, "leases" | "specFields" | "lacking" | "unseenOfOperator">> {
  const { leaderElectNamespace: namespace } = use;
  const [leases, specFields, lacking] = await Promise.all([
    listAll<Lease>(client, resources.leases, { namespace }).catch(noneIfForbidden),
    specFieldsIn(client, signal),
    lackingRights(client, use, signal),
  ]);
  const unseen = [
    leases === undefined ? `leases: you may not list those of ${namespace}` : "",
    specFields === undefined ? "the CRD of RegistryHub: you may not get it" : "",
    lacking === undefined ? "the operator's rights: you may not create SubjectAccessReviews" : "",
  ];
  return { leases, specFields, lacking, unseenOfOperator: unseen.filter((one) => one !== "") };
}

/** Those of the stored version; undefined = not seen. */
async function specFieldsIn(
  client: KubeClient,
  signal: AbortSignal,
): Promise<ReadonlySet<string> | undefined> {
  const path = objectPath(definitions, { name: "registryhubs.ecns.easystack.cn" });
  const crd = await unlessRefused(client.request<RawObject>({ method: "GET", path, signal }));
  const [version] = listOf(fieldsOf(crd?.spec).versions).filter((one) => fieldsOf(one).storage === true);
  const { properties } = fieldsOf(fieldsOf(fieldsOf(version).schema).openAPIV3Schema);
  const spec = fieldsOf(fieldsOf(fieldsOf(properties).spec).properties);
  return crd === undefined ? undefined : new Set(Object.keys(spec));
}

/** Asks for each right of the operator; undefined = the person may not ask. Nothing is stored. */
async function lackingRights(
  client: KubeClient,
  use: Use,
  signal: AbortSignal,
): Promise<readonly Right[] | undefined> {
  const ask = async (right: Right): Promise<boolean | undefined> => {
    const { group, plural: resource } = right.resource;
    const { account, verb, subresource, namespace, name } = right;
    const place = use.leaderElectNamespace; // the installation has the ServiceAccounts beside the Leases
    const body = {
      apiVersion: "authorization.k8s.io/v1",
      kind: "SubjectAccessReview",
      spec: {
        user: `system:serviceaccount:${place}:${account}`,
        groups: ["system:serviceaccounts", `system:serviceaccounts:${place}`, "system:authenticated"],
        resourceAttributes: { group, resource, verb, namespace, name, ...(subresource && { subresource }) },
      },
    };
    const path = collectionPath(reviews);
    const answer = await unlessRefused(client.request<RawObject>({ method: "POST", path, body, signal }));
    return answer && fieldsOf(answer.status).allowed === true;
  };
  const needed = neededRights(use);
  const answers = await Promise.all(needed.map(ask));
  if (answers.includes(undefined)) return undefined;
  return needed.filter((_, at) => answers[at] === false);
}

/** undefined = there is no right to it, or no such type or object. @throws KubeError when there is no answer. */
async function unlessRefused<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof KubeError && (error.status === 403 || error.status === 404)) return undefined;
    throw error;
  }
}
