import type { Claim, Entry, HostKey, Instant } from "../../model/entry.ts";
import type { Hub, HubId, HubKey } from "../../model/hub.ts";
import type { ServiceEntry } from "../../model/istio.ts";
import type { Stored } from "../../model/kubernetes.ts";
import { annotations } from "../../model/labels.ts";
import { rfc3339 } from "../../model/time.ts";
import type { ClaimInputs } from "../../plan/claims.ts";
import type { HostPlan } from "../../plan/host.ts";
import type { VipPool } from "../../plan/vip.ts";
import type { Clock } from "../../runtime/deps.ts";
import { entryOf } from "../../translate/read-back/service-entry.ts";
import type { HostObject } from "../writes/entry-index.ts";
import type { ObjectWriter } from "../writes/object-writer.ts";
import {
  changesBetween,
  creationOf,
  deletionOf,
  type EntryChange,
  lossOf,
  repairsBetween,
  takenOut,
} from "./entry-changes.ts";
import { HeldHosts, type HeldNews } from "./held-hosts.ts";
import type { History } from "./history.ts";
import type { HostMemo } from "./host-memos.ts";
import { deletedBecause, emptiedMessage, heldMessage } from "./host-outcome.ts";
import type { Claimant } from "./other-lanes.ts";

/** What it asks the controller. */
interface HistoryContext {
  readonly history: History;
  /** As in HostContext. */
  sessions(): readonly Claimant[];
  claimants(): readonly Claimant[];
}

/** As in HostWorkerOptions. */
interface HistoryOptions {
  readonly pool: Pick<VipPool, "accepts">;
  readonly isLane: boolean;
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
  readonly memo: Pick<HostMemo, "object" | "removalAt">;
}

/** Tells what became of hosts, and why: in the history, and by Events on their entries. */
export class HostHistory {
  readonly #context: HistoryContext;
  readonly #writer: Pick<ObjectWriter<Stored<ServiceEntry>>, "recordChange" | "recordEvent">;
  readonly #options: HistoryOptions;
  readonly #clock: Clock;
  readonly #startedAt: Instant;
  readonly #held: HeldHosts;

  constructor(
    context: HistoryContext,
    writer: Pick<ObjectWriter<Stored<ServiceEntry>>, "recordChange" | "recordEvent">,
    options: HistoryOptions,
    clock: Clock,
  ) {
    this.#context = context;
    this.#writer = writer;
    this.#options = options;
    this.#clock = clock;
    this.#startedAt = clock.monotonic();
    this.#held = new HeldHosts(clock);
  }

  /** The host was planned: tells what is kept from now on, what is not any more, and what is gone and does not come back. */
  planned(look: HostLook, { withheld, step }: HostPlan, memo: HostMemo): void {
    if (withheld.size > 0 || this.#held.isHolding) this.#judgeHeld(look, withheld);
    if (look.found === undefined && step.op !== "apply") this.#lost(look.host, memo);
  }

  #judgeHeld({ host, found, claims }: HostLook, withheld: HostPlan["withheld"]): void {
    const sessions = this.#context.sessions();
    this.#held.keepOnly(host, (key) => sessions.some(({ hub }) => hub.key === key));
    for (const session of sessions) {
      const { id, key } = session.hub;
      const said = session.claimInputs(host, found?.entry);
      const inputs = { ...said, mayWrite: claims.get(id)?.mayWrite ?? said.mayWrite };
      const look = { hub: key, id, inputs, count: withheld.get(id) ?? 0 };
      const news = this.#held.planned(host, look, found?.entry);
      for (const one of news) this.#addHeld(host, key, one);
      const isHeld = news.some(({ what }) => what === "Held");
      if (isHeld && found !== undefined && this.#isNews(inputs, host))
        this.#writer.recordChange(found.object, "Held", heldMessage);
    }
  }

  /** The entry was written. */
  written({ host, found, claims }: HostLook, { entry, object, memo }: WrittenEntry): void {
    const before = found?.entry;
    const removalSince = this.#sinceOf(memo.removalAt);
    const missingSince = (hub: HubKey): string => this.#held.sinceOf(host, hub) ?? removalSince;
    if (found === undefined)
      this.#addAll(host, memo.object ? repairsBetween(undefined, entry) : [creationOf(entry)]);
    else if (before === undefined || isRepair(found.object, object))
      this.#addAll(host, repairsBetween(before ?? entry, entry));
    else this.#addAll(host, changesBetween(before, entry, { claims, hubOf: this.#hubOf, missingSince }));
    this.#held.written(host, entry);
    if (found !== undefined && before !== undefined) this.#tellUsers(found.object, before, entry);
  }

  /** The entry was deleted. */
  deleted(host: HostKey, { object, entry }: HostObject, because: "unclaimed" | "empty"): void {
    const isNews = object.metadata.deletionTimestamp === undefined; // else a finalizer keeps it
    if (isNews && entry !== undefined) this.#addAll(host, [deletionOf(entry, because, this.#hubOf)]);
    this.#writer.recordChange(object, "Deleted", deletedBecause[because]);
  }

  /** A hold that began before this process was told by the one before; that a hub settles is nothing to tell. */
  #isNews({ trust }: ClaimInputs, host: HostKey): boolean {
    const loss = trust.losses.get(host);
    const hold = trust.reset ?? (loss?.verdict === "braked" ? loss : undefined);
    return hold !== undefined && hold.since.monotonic >= this.#startedAt;
  }

  /** Since when what goes now has been missing, in words, as far as that is known. */
  #sinceOf(removalAt: Instant | undefined): string {
    if (removalAt === undefined) return "";
    return `since ${rfc3339(this.#clock.now() - (this.#clock.monotonic() - removalAt))}`;
  }

  /** What the users of the entry are told. */
  #tellUsers(object: Stored<ServiceEntry>, before: Entry, { vip, endpoints }: Entry): void {
    if (before.endpoints.size > 0 && endpoints.size === 0)
      this.#writer.recordChange(object, "Emptied", emptiedMessage);
    if (before.vip === vip || !this.#options.pool.accepts(before.vip)) return;
    const message = `another ServiceEntry of the operator also has the virtual IP ${before.vip}, so this one got another`;
    this.#writer.recordEvent(object, "VipMoved", message);
  }

  /** Somebody deleted the entry: tells so once. With lanes, those of hubs of others are theirs to tell. */
  #lost(host: HostKey, memo: HostMemo): void {
    const entry = memo.object && entryOf(memo.object);
    if (entry === undefined || memo.isLossTold) return;
    const sessions = this.#context.sessions();
    if (this.#options.isLane && !sessions.some(({ hub }) => entry.hubs.get(hub.id) === hub.key)) return;
    memo.isLossTold = true;
    const inputsOf = (key: HubKey): ClaimInputs | undefined =>
      sessions.find(({ hub }) => hub.key === key)?.claimInputs(host, entry);
    this.#add(host, lossOf(entry, inputsOf));
  }

  #addHeld(host: HostKey, hub: HubKey, news: HeldNews): void {
    const line = { hub, endpoint: "" };
    if (news.what === "taken") this.#addAll(host, takenOut(hub, news.endpoints));
    else if (news.what === "more")
      this.#add("", { ...line, what: "Held", why: "so are more services of the hub" });
    else this.#add(host, { ...line, ...news });
  }

  readonly #hubOf = (key: HubKey): Hub | undefined =>
    this.#context.claimants().find(({ hub }) => hub.key === key)?.hub;

  #addAll(host: HostKey, changes: readonly EntryChange[]): void {
    for (const one of changes) this.#add(host, one);
  }

  #add(host: HostKey, change: EntryChange): void {
    this.#context.history.add({ ...change, host, registry: this.#hubOf(change.hub)?.registry.type ?? "" });
  }
}

/** Whether what was planned is what was written last, so that somebody else has changed the object since. */
function isRepair({ metadata }: Stored<ServiceEntry>, desired: ServiceEntry): boolean {
  const { lastApplied } = annotations;
  return metadata.annotations?.[lastApplied] === desired.metadata.annotations?.[lastApplied];
}
