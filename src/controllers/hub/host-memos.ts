import type { Entry, HostKey, Instant, Ms } from "../../model/entry.ts";
import type { ServiceEntry } from "../../model/istio.ts";
import type { Stored } from "../../model/kubernetes.ts";
import { parseTime } from "../../model/time.ts";
import type { Clock } from "../../runtime/deps.ts";
import { entryOf } from "../../translate/read-back/service-entry.ts";
import type { HostObject } from "../writes/entry-index.ts";

/** Dubbo re-registers with delete + create, so a plan that only removes waits this long and is made again. */
export const entryRemovalDelayMs = 300;

/** How long the lane of an entry that is gone has to restore it, before another lane whose hubs list the host may do so. */
const restoreMs = 60_000;

/** What the worker remembers of a host between two runs. */
export interface HostMemo {
  /**
   * Our entry as it was last, so that it comes back as it was if somebody deletes it. The store has it, too, unless somebody did,
   * so it costs nothing.
   */
  object: Stored<ServiceEntry> | undefined;
  /** The virtual IP that it may keep; "" = none. */
  vip: string;
  /** Whether the history tells that somebody deleted it. */
  isLossTold: boolean;
  emptyAt: Instant | undefined;
  removalAt: Instant | undefined;
  /** Since when an entry of another lane is gone. */
  missingAt: Instant | undefined;
}

const noEndpoints: Entry["endpoints"] = new Map();

/** The memos of all hosts, and the times that follow from them, on the monotonic clock. */
export class HostMemos {
  readonly #graceMs: Ms;
  readonly #clock: Clock;
  readonly #memos = new Map<HostKey, HostMemo>();

  constructor(graceMs: Ms, clock: Clock) {
    this.#graceMs = graceMs;
    this.#clock = clock;
  }

  /** May be changed. */
  of(host: HostKey): HostMemo {
    const known = this.#memos.get(host);
    if (known !== undefined) return known;
    const nothing = { emptyAt: undefined, removalAt: undefined, missingAt: undefined };
    const memo: HostMemo = { object: undefined, vip: "", isLossTold: false, ...nothing };
    this.#memos.set(host, memo);
    return memo;
  }

  /**
   * Our entry as it was last, without endpoints.
   * @param found what the cluster has: as a rule the same, which is not read again.
   */
  last(host: HostKey, found: HostObject | undefined): Entry | undefined {
    const { object, vip = "" } = this.#memos.get(host) ?? {};
    if (object === undefined) return undefined;
    const entry = object === found?.object ? found.entry : entryOf(object);
    return entry && { ...entry, vip, endpoints: noEndpoints };
  }

  forget(host: HostKey): void {
    this.#memos.delete(host);
  }

  /** How long the other lane still has to restore the entry; Infinity = it is there. */
  restoreMs(host: HostKey, isThere: boolean): Ms {
    if (isThere) return Infinity;
    const memo = this.of(host);
    const now = this.#clock.monotonic();
    memo.missingAt ??= now;
    return Math.max(0, memo.missingAt + restoreMs - now);
  }

  /** How long the entry has been empty; after a restart the annotation gives the start. */
  emptyForMs(host: HostKey, actual: Entry | undefined): Ms {
    const memo = this.of(host);
    if (actual?.emptySince === undefined || actual.endpoints.size > 0) {
      memo.emptyAt = undefined;
      return 0;
    }
    const sinceMs = this.#clock.now() - (parseTime(actual.emptySince) ?? this.#clock.now());
    memo.emptyAt ??= this.#clock.monotonic() - Math.min(Math.max(sinceMs, 0), this.#graceMs);
    return this.#clock.monotonic() - memo.emptyAt;
  }

  /** How long a plan that only removes endpoints must still wait. */
  removalDelayMs(host: HostKey, entry: Entry, actual: Entry | undefined): Ms {
    const onlyRemoves =
      actual !== undefined &&
      entry.endpoints.size < actual.endpoints.size &&
      [...entry.endpoints.keys()].every((hostPort) => actual.endpoints.has(hostPort));
    if (!onlyRemoves) return 0;
    const memo = this.of(host);
    const now = this.#clock.monotonic();
    memo.removalAt ??= now;
    return Math.max(0, memo.removalAt + entryRemovalDelayMs - now);
  }
}
