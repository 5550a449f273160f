import type { Change, Changes } from "../../model/change.ts";
import type { Hub, HubKey } from "../../model/hub.ts";
import { rfc3339 } from "../../model/time.ts";
import type { Clock } from "../../runtime/deps.ts";

/** A change of which the history gives the time and the number. */
export type Happening = Omit<Change, "seq" | "at">;

interface Kept extends Happening {
  readonly atMs: number;
}

const capacity = 1_000;

/** The last 1,000 changes of this process: who removed what, when and why. To add one costs nothing that grows. */
export class History {
  readonly #clock: Pick<Clock, "now">;
  readonly #since: number;
  /** The change with number `seq` is at `(seq - 1) % capacity`. */
  readonly #ring: Kept[] = [];
  #last = 0;

  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
    this.#since = clock.now();
  }

  /** Records what has just happened. */
  add(happening: Happening): void {
    this.#ring[this.#last % capacity] = { ...happening, atMs: this.#clock.now() };
    this.#last++;
  }

  /** Records a transition of a hub, with the reason and the message of its Event; `hub` = as far as it can be read. */
  addOfHub(key: HubKey, what: string, why: string, hub: Pick<Hub, "registry"> | undefined): void {
    this.add({ hub: key, registry: hub?.registry.type ?? "", host: "", endpoint: "", what, why });
  }

  /** RFC 3339: when it began. */
  get since(): string {
    return rfc3339(this.#since);
  }

  /** The number of the newest change; 0 = there is none. */
  get last(): number {
    return this.#last;
  }

  /** How many changes it had to forget. */
  get forgotten(): number {
    return Math.max(0, this.#last - capacity);
  }

  /** The changes with greater numbers than `seq`, as far as they are kept; the newest last. */
  *after(seq: number): Generator<Change> {
    for (let at = Math.max(seq, this.forgotten); at < this.#last; at++) {
      const kept = this.#ring[at % capacity];
      if (kept === undefined) return;
      const { atMs, ...happening } = kept;
      yield { seq: at + 1, at: rfc3339(atMs), ...happening };
    }
  }
}

/**
 * What GET /changes answers. `?hub=<namespace>/<name>` = only those of the hub; `?after=<seq>` = only those with a greater
 * number, and what is no number counts as 0.
 */
export function changesAnswer(
  history: History,
  who: Pick<Changes, "identity" | "lease">,
  query: URLSearchParams,
): Changes {
  const hub = query.get("hub");
  const after = Number(query.get("after") ?? 0);
  const all = history.after(Number.isSafeInteger(after) ? Math.max(0, after) : 0);
  const changes = [...all].filter((one) => hub === null || one.hub === hub || one.others?.includes(hub));
  const { identity, lease } = who;
  const { since, forgotten, last } = history;
  return { identity, lease, since, forgotten, last, changes };
}
