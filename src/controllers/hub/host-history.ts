import type { Claim, Entry, HostKey, Instant, Ms } from "../../model/entry.ts";
import type { Hub, HubId, HubKey } from "../../model/hub.ts";
import type { ServiceEntry } from "../../model/istio.ts";
import type { Stored } from "../../model/kubernetes.ts";
import { annotations } from "../../model/labels.ts";
import { rfc3339 } from "../../model/time.ts";
import type { ClaimInputs } from "../../plan/claims.ts";
import type { HostPlan } from "../../plan/host.ts";
import type { VipPool } from "../../plan/vip.ts";
import type { Clock } from "../../runtime/deps.ts";
import type { HostObject } from "../writes/entry-index.ts";
import type { ObjectWriter } from "../writes/object-writer.ts";
import {
  changesBetween,
  creationOf,
  deletionOf,
  type EntryChange,
  repairsBetween,
  whyKept,
} from "./entry-changes.ts";
import type { History } from "./history.ts";
import type { HostMemo } from "./host-memos.ts";
import { deletedBecause, emptiedMessage, heldMessage } from "./host-outcome.ts";
import type { Claimant } from "./other-lanes.ts";

/** So many hosts of a hub are told one by one that are held within a minute of each other. */
const toldHolds = 20;
const holdsMs = 60_000;

/** What it asks the controller. */
interface HistoryContext {
  /** As in HostContext. */
  sessions(): readonly Claimant[];
  claimants(): readonly Claimant[];
}

/** A host when it was planned. */
export interface HostLook {
  readonly host: HostKey;
  /** What the cluster had of it. */
  readonly found: HostObject | undefined;
  readonly claims: ReadonlyMap<HubId, Claim>;
}

/** A write that the API server has taken. */
interface WrittenEntry {
  readonly entry: Entry;
  readonly object: ServiceEntry;
  /** As before the write. */
  readonly memo: Pick<HostMemo, "last" | "removalAt">;
}

/** What a hub withholds of a host. */
interface Held {
  /** Wall time. */
  readonly sinceMs: Ms;
  readonly why: string;
  readonly isTold: boolean;
}

/** Tells what became of hosts, and why: in the history, and by Events on their entries. */
export class HostHistory {
  readonly #history: History;
  readonly #context: HistoryContext;
  readonly #writer: Pick<ObjectWriter<Stored<ServiceEntry>>, "recordChange" | "recordEvent">;
  readonly #pool: Pick<VipPool, "accepts">;
  readonly #clock: Clock;
  readonly #startedAt: Instant;
  /** By hub and host. */
  readonly #held = new Map<string, Held>();
  /** By hub: when it last began to withhold something of a host, and how often without a pause. */
  readonly #holds = new Map<HubKey, { readonly at: Instant; readonly count: number }>();
  /** Since when what goes with the next write was withheld, wall time. */
  readonly #missingSince = new Map<HostKey, Ms>();

  constructor(
    history: History,
    context: HistoryContext,
    writer: Pick<ObjectWriter<Stored<ServiceEntry>>, "recordChange" | "recordEvent">,
    pool: Pick<VipPool, "accepts">,
    clock: Clock,
  ) {
    this.#history = history;
    this.#context = context;
    this.#writer = writer;
    this.#pool = pool;
    this.#clock = clock;
    this.#startedAt = clock.monotonic();
  }

  /** Whether something of any host is withheld. */
  get isHolding(): boolean {
    return this.#held.size > 0;
  }

  /** The host was planned: tells what is kept from now on, and what is not any more. */
  planned(look: HostLook, { withheld, step }: HostPlan): void {
    const { host, found } = look;
    for (const session of this.#context.sessions()) {
      const { id, key } = session.hub;
      const count = withheld.get(id) ?? 0;
      const held = this.#held.get(`${key} ${host}`);
      if (count > 0) this.#keeps(session, look, count, held);
      if (count > 0 || held === undefined) continue;
      this.#held.delete(`${key} ${host}`);
      const after = step.op === "apply" ? step.entry.endpoints : found?.entry?.endpoints;
      const goes = found?.entry?.endpoints.keys().some((one) => !after?.has(one)) ?? false;
      if (goes) this.#missingSince.set(host, held.sinceMs);
      const why = goes ? "the hold is over, so what is not listed goes" : "nothing is missing any more";
      if (held.isTold) this.#add(host, { hub: key, endpoint: "", what: "Released", why });
    }
  }

  /** The entry was written. */
  written({ host, found, claims }: HostLook, { entry, object, memo }: WrittenEntry): void {
    const before = found?.entry;
    const missingSince = this.#takeMissingSince(host, memo.removalAt);
    if (found === undefined)
      this.#addAll(host, memo.last ? repairsBetween(undefined, entry) : [creationOf(entry)]);
    else if (before === undefined || isRepair(found.object, object))
      this.#addAll(host, repairsBetween(before ?? entry, entry));
    else this.#addAll(host, changesBetween(before, entry, { claims, hubOf: this.#hubOf, missingSince }));
    if (found !== undefined && before !== undefined) this.#tellUsers(found.object, before, entry);
  }

  /** The entry was deleted. */
  deleted(host: HostKey, { object, entry }: HostObject, because: "unclaimed" | "empty"): void {
    const isNews = object.metadata.deletionTimestamp === undefined; // else a finalizer keeps it
    if (isNews && entry !== undefined) this.#addAll(host, [deletionOf(entry, because, this.#hubOf)]);
    this.#writer.recordChange(object, "Deleted", deletedBecause[because]);
  }

  /**
   * Tells that something is kept, and when the reason is another one. Nothing is told where the hub's silence says nothing
   * anyway, because it is suspended or not synced.
   */
  #keeps(session: Claimant, { host, found }: HostLook, count: number, held: Held | undefined): void {
    const inputs = session.claimInputs(host, found?.entry);
    const why = whyKept(inputs, host);
    if (why === undefined || why === held?.why) return;
    const { key } = session.hub;
    const now = this.#clock.monotonic();
    const before = this.#holds.get(key);
    const holds = before && now - before.at < holdsMs ? before.count + 1 : 1;
    const isTold = holds <= toldHolds;
    this.#holds.set(key, { at: now, count: holds });
    this.#held.set(`${key} ${host}`, { sinceMs: held?.sinceMs ?? this.#clock.now(), why, isTold });
    const line = { hub: key, endpoint: "", what: "Held" } as const;
    if (holds === toldHolds + 1) this.#add("", { ...line, why: "so are more services of the hub" });
    if (!isTold) return;
    this.#add(host, { ...line, why: `${count} of its endpoints: ${why}` });
    if (found !== undefined && this.#isNews(inputs, host))
      this.#writer.recordChange(found.object, "Held", heldMessage);
  }

  /** A hold that began before this process was told by the one before; that a hub settles is nothing to tell. */
  #isNews({ trust }: ClaimInputs, host: HostKey): boolean {
    const loss = trust.losses.get(host);
    const hold = trust.reset ?? (loss?.verdict === "braked" ? loss : undefined);
    return hold !== undefined && hold.since.monotonic >= this.#startedAt;
  }

  /** RFC 3339: since when what goes now has been missing, as far as that is known. */
  #takeMissingSince(host: HostKey, removalAt: Instant | undefined): string {
    const heldMs = this.#missingSince.get(host);
    this.#missingSince.delete(host);
    if (heldMs !== undefined) return rfc3339(heldMs);
    return removalAt === undefined ? "" : rfc3339(this.#clock.now() - (this.#clock.monotonic() - removalAt));
  }

  /** What the users of the entry are told. */
  #tellUsers(object: Stored<ServiceEntry>, before: Entry, { vip, endpoints }: Entry): void {
    if (before.endpoints.size > 0 && endpoints.size === 0)
      this.#writer.recordChange(object, "Emptied", emptiedMessage);
    if (before.vip === vip || !this.#pool.accepts(before.vip)) return;
    const message = `another ServiceEntry of the operator also has the virtual IP ${before.vip}, so this one got another`;
    this.#writer.recordEvent(object, "VipMoved", message);
  }

  readonly #hubOf = (key: HubKey): Hub | undefined =>
    this.#context.claimants().find(({ hub }) => hub.key === key)?.hub;

  #addAll(host: HostKey, changes: readonly EntryChange[]): void {
    for (const one of changes) this.#add(host, one);
  }

  #add(host: HostKey, change: EntryChange): void {
    this.#history.add({ ...change, host, registry: this.#hubOf(change.hub)?.registry.type ?? "" });
  }
}

/** Whether what was planned is what was written last, so that somebody else has changed the object since. */
function isRepair({ metadata }: Stored<ServiceEntry>, desired: ServiceEntry): boolean {
  const { lastApplied } = annotations;
  return metadata.annotations?.[lastApplied] === desired.metadata.annotations?.[lastApplied];
}
