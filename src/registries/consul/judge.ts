import type { Service } from "../../model/service.ts";
import type { IndexedAnswer, Right } from "./api.ts";
import { type Health, partlyReadable, unreadable } from "./decode.ts";

/** What the reader knows of one service. */
export interface Known {
  /** undefined = nothing yet. */
  readonly service: Service | undefined;
  /** The nodes that its entries are on. */
  readonly nodes: ReadonlySet<string>;
  /** The index of the newest answer that was used; 0 = none. */
  readonly index: number;
  /** It was listed, and its answer had no entry: it is about to go, or the token may not see its nodes. */
  readonly isEmpty: boolean;
}

export const nothingKnown: Known = { service: undefined, nodes: new Set(), index: 0, isEmpty: false };

/** It could not be read. */
export const isUnknown = ({ service }: Known): boolean => service?.instances === "unknown";

/** A part of it, or everything, could not be read. */
export const isDoubtful = (known: Known): boolean =>
  known.isEmpty || known.service?.isPartial === true || isUnknown(known);

/**
 * What the index of an answer says, which never goes back while a server keeps its data: `before` is the newest index
 * when the question was asked, `now` the newest of all. `older`: another answer has overtaken this one.
 */
export function freshness(index: number, { before, now }: { readonly before: number; readonly now: number }) {
  if (index < before) return "started over";
  return index < now ? "older" : "new";
}

/** An answer about one service, and what is known besides. */
export interface Case {
  readonly answer: Pick<IndexedAnswer<Pick<Health, "length" | "nodes">>, "body" | "index" | "sight">;
  /** What the answer says. */
  readonly found: Service;
  readonly known: Known;
  /** Whether the catalog has it. */
  readonly isListed: boolean;
}

/**
 * The rights that prove that what the answer lacks is gone: the server shows what they allow. None = there is nothing to
 * prove. An entry proves the right to the service; the catalog lists a service whatever the rights to nodes.
 */
export function rightsToProve(name: string, { answer, known, isListed }: Case): readonly Right[] {
  if (answer.sight === "whole" || answer.sight === "filtered") return [];
  const missing = [...known.nodes].filter((node) => !answer.body.nodes.has(node)).map(nodeRight);
  if (answer.body.length > 0) return missing;
  return isListed ? [] : [{ resource: "service", name }, ...missing];
}

const nodeRight = (name: string): Right => ({ resource: "node", name });

/** What is known after an answer; "gone" = there is no such service. `mayRead`: the rights above are there. */
export function judge({ answer, found, known, isListed }: Case, mayRead: boolean): Known | "gone" {
  const {
    index,
    body: { length, nodes },
  } = answer;
  const isComplete = answer.sight !== "filtered" && mayRead;
  const hidden = {
    service: unreadable(found.name, noRight(found.name)),
    nodes: known.nodes,
    index,
    isEmpty: false,
  };
  if (length > 0) {
    if (isComplete) return { service: found, nodes, index, isEmpty: false };
    // What is hidden stays known, so that its rights are asked for again.
    return {
      ...hidden,
      service: partlyReadable(found, noRight(found.name)),
      nodes: known.nodes.union(nodes),
    };
  }
  if (!isComplete) return hidden;
  if (!isListed) return "gone";
  return known.isEmpty || known.service === undefined ? hidden : { ...known, index, isEmpty: true };
}

const noRight = (name: string): string =>
  `the token may not read all of ${name}, so the operator keeps what the cluster has; grant the token service and node read`;
