import { objectKey } from "../../kube/resources.ts";
import type { VirtualService } from "../../model/istio.ts";
import type { Stored } from "../../model/kubernetes.ts";
import { fieldsOf, listOf } from "../../translate/read-back/json.ts";
import { hostNamesOf } from "../../translate/read-back/virtual-service.ts";
import { type Findings, fault } from "./finding.ts";
import { ownHosts } from "./hosts.ts";
import type { Sight } from "./sight.ts";

/** Routes that no call reaches: the first one that matches counts, not the longest. */
export function orderFindings(sight: Sight): Findings {
  const hosts = new Set(ownHosts(sight).map(({ host }) => host));
  return sight.objects.virtualServices.flatMap((one) => {
    const ours = hostNamesOf(one).full.find((host) => hosts.has(host));
    const covered = ours === undefined ? undefined : coveredRoute(one);
    if (covered === undefined) return [];
    const [by, at] = covered;
    return [
      fault(
        `no call to ${ours} reaches route ${at + 1} of VirtualService ${objectKey(one)}`,
        `spec.http[${by}] takes whatever spec.http[${at}] would, and comes first`,
        `Put the narrower one in front: kubectl edit virtualservice -n ${objectKey(one).replace("/", " ")}`,
        "4.8",
      ),
    ];
  });
}

/** The first pair of routes of which the earlier one takes all calls of the later one. */
function coveredRoute({ spec }: Stored<VirtualService>): readonly [number, number] | undefined {
  const routes = listOf(fieldsOf(spec).http).map((one) => listOf(fieldsOf(one).match));
  for (const [at, later] of routes.entries()) {
    const by = routes.slice(0, at).findIndex((earlier) => takesAll(earlier, later));
    if (by >= 0) return [by, at];
  }
  return undefined;
}

/** Without a match a route takes everything; of several matches one suffices. */
function takesAll(earlier: readonly unknown[], later: readonly unknown[]): boolean {
  if (earlier.length === 0) return true;
  return later.length > 0 && later.every((one) => earlier.some((other) => covers(other, one)));
}

/** Whether everything that the narrower match asks for fulfils the wider one. What is not understood must be equal. */
function covers(wider: unknown, narrower: unknown): boolean {
  const { name: _, headers, queryParams, ...rest } = fieldsOf(wider);
  const other = fieldsOf(narrower);
  if (other.ignoreUriCase === true && rest.ignoreUriCase !== true) return false;
  return (
    coversEach(rest, other) &&
    coversEach(fieldsOf(headers), fieldsOf(other.headers)) &&
    coversEach(fieldsOf(queryParams), fieldsOf(other.queryParams))
  );
}

const coversEach = (
  wider: Readonly<Record<string, unknown>>,
  narrower: Readonly<Record<string, unknown>>,
): boolean =>
  Object.entries(wider).every(
    ([name, one]) =>
      coversText(one, narrower[name]) || JSON.stringify(one) === JSON.stringify(narrower[name]),
  );

/** Of Istio's StringMatch: a prefix covers longer ones, and what begins with it. */
function coversText(wider: unknown, narrower: unknown): boolean {
  const { prefix } = fieldsOf(wider);
  const { prefix: longer, exact } = fieldsOf(narrower);
  const text = typeof longer === "string" ? longer : exact;
  return typeof prefix === "string" && typeof text === "string" && text.startsWith(prefix);
}
