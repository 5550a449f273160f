import type { Endpoint, HostPort } from "../model/entry.ts";
import type { Share } from "../model/hub.ts";
import { selectsLabels } from "../model/label-selector.ts";
import { shareLabels } from "../model/labels.ts";
import type { ServiceInstance } from "../model/service.ts";
import { maxWeight, weightScale } from "./service-entry.ts";

/** So exact is the label; more digits would tell nobody more. */
const weightDigits = 6;
/** What an entry can say. */
const [minWeight, maxDose] = [1 / weightScale, maxWeight / weightScale];
/** Rounded to hundredths it is right to a tenth. */
const leastDose = 0.05;

/** The labels of an instance's endpoint: its share, and the weight that the registry gives it. */
export function shareLabelsOf(
  shares: readonly Share[],
  facts: ServiceInstance["facts"],
  weight: number,
): Endpoint["labels"] {
  const share = shares.find(({ selector }) => selectsLabels(selector, facts));
  return {
    ...(share && { [shareLabels.share]: share.name }),
    [shareLabels.weight]: String(Number(weightIn({ weight }).toPrecision(weightDigits))),
  };
}

/** What shares make of the endpoints of a service. */
export interface Dosed {
  readonly endpoints: readonly Endpoint[];
  /** Those that get no calls, and so are no endpoints. */
  readonly leftOut: readonly HostPort[];
  /** Whether the shares do not count, because only instances with 0 % are there. */
  readonly isIgnored: boolean;
}

/**
 * Gives each group of endpoints, as their labels name it, its part of the calls: the sum of all weights stays what it is,
 * unless a weight would be too small to be written, and within a group so do their relations. A group without endpoints
 * leaves its part to the others, in proportion.
 */
export function dosed(endpoints: readonly Endpoint[], shares: readonly Share[]): Dosed {
  if (shares.length === 0 || endpoints.length === 0) return { endpoints, leftOut: [], isIgnored: false };
  const percents = new Map(shares.map(({ name, percent }) => [name, percent]));
  const rest = 100 - percents.values().reduce((sum, percent) => sum + percent, 0);
  const percentOf = (group: string): number => percents.get(group) ?? rest;
  const weights = new Map<string, number>();
  for (const one of endpoints) weights.set(groupOf(one), (weights.get(groupOf(one)) ?? 0) + weightIn(one));
  const given = weights.keys().reduce((sum, group) => sum + percentOf(group), 0);
  if (given === 0) return { endpoints, leftOut: [], isIgnored: weights.keys().some((group) => group !== "") };
  const total = weights.values().reduce((sum, weight) => sum + weight, 0);
  const [called, leftOut] = [endpoints.filter(isCalled), endpoints.filter((one) => !isCalled(one))];
  const doses = called.map((one) => {
    const part = percentOf(groupOf(one)) / given;
    return (total * part * weightIn(one)) / (weights.get(groupOf(one)) ?? 1);
  });
  const factor = Math.min(Math.max(1, leastDose / Math.min(...doses)), maxDose / Math.max(...doses));
  return {
    endpoints: called.map((one, at) => ({ ...one, weight: (doses[at] ?? 1) * factor })),
    leftOut: leftOut.map(({ hostPort }) => hostPort),
    isIgnored: false,
  };

  function isCalled(one: Endpoint): boolean {
    return percentOf(groupOf(one)) > 0;
  }
}

/** "" = the rest. */
const groupOf = ({ labels }: Endpoint): string => labels[shareLabels.share] ?? "";

/** What nobody can mean is cut before it makes others too small. */
const weightIn = ({ weight = 1 }: Pick<Endpoint, "weight">): number =>
  Math.min(Math.max(weight, minWeight), maxDose);
