import type { Endpoint } from "../model/entry.ts";
import type { Share } from "../model/hub.ts";
import { selectsLabels } from "../model/label-selector.ts";
import { shareLabels } from "../model/labels.ts";
import type { ServiceInstance } from "../model/service.ts";

/** So exact is the label; more digits would tell nobody more. */
const weightDigits = 6;

/** The labels of an instance's endpoint: its share, and the weight that the registry gives it. */
export function shareLabelsOf(
  shares: readonly Share[],
  facts: ServiceInstance["facts"],
  weight: number,
): Endpoint["labels"] {
  const share = shares.find(({ selector }) => selectsLabels(selector, facts));
  return {
    ...(share && { [shareLabels.share]: share.name }),
    [shareLabels.weight]: String(Number(weight.toPrecision(weightDigits))),
  };
}

/** What shares make of the endpoints of a service. */
export interface Dosed {
  readonly endpoints: readonly Endpoint[];
  /** How many get no calls, and so are no endpoints. */
  readonly excluded: number;
  /** Whether the shares do not count, because nobody would get the calls. */
  readonly isIgnored: boolean;
}

/**
 * Gives each group of endpoints, as their labels name it, its part of the calls: the sum of all weights stays what it is,
 * and within a group so do their relations. A group without endpoints leaves its part to the others, in proportion.
 */
export function dosed(endpoints: readonly Endpoint[], shares: readonly Share[]): Dosed {
  if (shares.length === 0 || endpoints.length === 0) return { endpoints, excluded: 0, isIgnored: false };
  const percents = new Map(shares.map(({ name, percent }) => [name, percent]));
  const rest = 100 - percents.values().reduce((sum, percent) => sum + percent, 0);
  const percentOf = (group: string): number => percents.get(group) ?? rest;
  const weights = new Map<string, number>();
  for (const one of endpoints) weights.set(groupOf(one), (weights.get(groupOf(one)) ?? 0) + weightIn(one));
  const given = weights.keys().reduce((sum, group) => sum + percentOf(group), 0);
  if (given === 0) return { endpoints, excluded: 0, isIgnored: true };
  const total = weights.values().reduce((sum, weight) => sum + weight, 0);
  const called = endpoints.filter((one) => percentOf(groupOf(one)) > 0);
  return {
    endpoints: called.map((one) => {
      const part = percentOf(groupOf(one)) / given;
      return { ...one, weight: (total * part * weightIn(one)) / (weights.get(groupOf(one)) ?? 1) };
    }),
    excluded: endpoints.length - called.length,
    isIgnored: false,
  };
}

/** "" = the rest. */
const groupOf = ({ labels }: Endpoint): string => labels[shareLabels.share] ?? "";

const weightIn = ({ weight = 1 }: Endpoint): number => weight;
