import type { Instant } from "../../model/entry.ts";
import { splitKey } from "../../model/keys.ts";

/** Why a key is worked on: it has changed itself, or something has changed that may concern it. */
export type Urgency = "changed" | "look";

/** After so many changes in a row a look that waits has its turn: what never changes itself is not to wait for ever. */
const changesInARow = 8;

interface NamespaceKeys {
  readonly changed: Set<string>;
  readonly look: Set<string>;
  changesTaken: number;
  /** Since when there has always been a change. */
  changedSince: Instant;
}

/** A key whose turn it is. */
export interface Turn {
  readonly key: string;
  readonly namespace: string;
  readonly urgency: Urgency;
}

/** The more urgent of two reasons. */
export function moreUrgent(one: Urgency | undefined, other: Urgency): Urgency {
  return one === "changed" ? one : other;
}

/**
 * Keys "<namespace>/<rest>" that are ready to be worked on, each once. Namespaces have their turns one after the other,
 * however many keys each has; within one, what has changed comes before what is only to be looked at.
 */
export class ReadyKeys {
  /** Those with keys, in the order of their turns. */
  readonly #namespaces = new Map<string, NamespaceKeys>();

  /** How many keys are ready. */
  get size(): number {
    return [...this.#namespaces.values()].reduce(
      (sum, { changed, look }) => sum + changed.size + look.size,
      0,
    );
  }

  /** Whether a key of the namespace is ready. */
  has(namespace: string): boolean {
    return this.#namespaces.has(namespace);
  }

  /** Since when changes of the namespace have been waiting without a break; undefined = none waits. */
  changedSince(namespace: string): Instant | undefined {
    const keys = this.#namespaces.get(namespace);
    return keys === undefined || keys.changed.size === 0 ? undefined : keys.changedSince;
  }

  /** A look that becomes a change moves up; a change stays one. */
  add(key: string, urgency: Urgency, now: Instant): void {
    const namespace = namespaceOf(key);
    const keys = this.#namespaces.get(namespace) ?? {
      changed: new Set(),
      look: new Set(),
      changesTaken: 0,
      changedSince: now,
    };
    this.#namespaces.set(namespace, keys);
    if (keys.changed.has(key)) return;
    if (urgency === "changed") keys.look.delete(key);
    if (keys.changed.size === 0) keys.changedSince = now;
    keys[urgency].add(key);
  }

  /** Takes a key of the first namespace that may have its turn. */
  take(mayHaveTurn: (namespace: string) => boolean): Turn | undefined {
    for (const [namespace, keys] of this.#namespaces) {
      if (!mayHaveTurn(namespace)) continue;
      const { changed, look } = keys;
      const urgency: Urgency =
        changed.size > 0 && (look.size === 0 || keys.changesTaken < changesInARow) ? "changed" : "look";
      keys.changesTaken = urgency === "look" ? 0 : keys.changesTaken + 1;
      const [key = ""] = keys[urgency];
      keys[urgency].delete(key);
      this.#namespaces.delete(namespace);
      if (changed.size + look.size > 0) this.#namespaces.set(namespace, keys);
      return { key, namespace, urgency };
    }
    return undefined;
  }
}

/** Whose key it is: keys of one namespace share what the API server can do for it. */
export function namespaceOf(key: string): string {
  return splitKey(key)[0];
}
