import * as z from "zod";
import type { Problem } from "../../model/problems.ts";
import type { Clock } from "../../runtime/deps.ts";
import { inParallel } from "../transport/parallel.ts";
import { requestMs } from "./connection.ts";
import { isOfDubbo } from "./decode.ts";
import { isRefusal, maxInFlight, type NamingClient, noAnswer, type ServiceRead } from "./requests.ts";
import { errorCodes } from "./response.ts";
import { parseServiceInfo } from "./service-info.ts";
import { idOf, parseServiceName, type ServiceKey } from "./service-name.ts";

/** How many services without a subscription are tried again with each list, and how many of which nothing was heard. */
const maxRetried = 200;
const maxSilentRetried = maxInFlight;
/** A service that cannot be asked for is gone after so many lists without it: a server forgets an empty one sooner. */
const maxUnlisted = 6;

const pushSchema = z.object({ serviceInfo: z.unknown() });
const namedSchema = z.object({ name: z.string(), groupName: z.string() });

export interface SubscriptionsOptions {
  readonly client: NamingClient;
  readonly clock: Pick<Clock, "after">;
  /** Whether the hub's filter includes this interface or service name. */
  readonly wants: (name: string) => boolean;
  /** Sets the current state of a service; undefined = it is gone, or does not matter. */
  readonly set: (key: ServiceKey, read: ServiceRead | undefined) => void;
  /** Something was set for every service of a list that matters. */
  readonly whole: () => void;
}

/** The services that there are. */
export interface ServiceList {
  readonly keys: readonly ServiceKey[];
  /** The list lacks services without instances, which a server would name for another minute. */
  readonly lacksEmpty?: boolean;
  /** What people should know of the list. */
  readonly problem?: Problem;
}

/** One service that was listed. */
interface Entry {
  readonly key: ServiceKey;
  /** `perhaps` = it matters if it is a Dubbo application, which may serve a wanted interface. */
  readonly matters: "yes" | "perhaps" | "no";
  /** undefined = nothing that matters. */
  read: ServiceRead | undefined;
  /**
   * `new` = to be looked at with the next list; `ignored` = it was, and does not matter; `subscribed` = the server has
   * accepted the subscription, and every push since then made sense; `unsubscribed` = to be tried again.
   */
  state: "new" | "ignored" | "subscribed" | "unsubscribed";
  /** How many lists in a row lacked it. */
  unlisted: number;
}

/**
 * Keeps every relevant service subscribed. The list says which services there are; answers and pushes say what they
 * are. A push that arrives while an answer is pending is the newer one. Its methods @throws RegistryError when the
 * connection is useless.
 */
export class Subscriptions {
  readonly #options: SubscriptionsOptions;
  readonly #entries = new Map<string, Entry>();

  constructor(options: SubscriptionsOptions) {
    this.#options = options;
  }

  /**
   * Takes a complete list: subscribes to new services and unsubscribes from those that are really gone. Not to be called
   * again before it returns.
   */
  async update({ keys, lacksEmpty = false }: ServiceList): Promise<void> {
    const listed = new Map(keys.map((key) => [idOf(key), key]));
    for (const [id, key] of listed) if (!this.#entries.has(id)) this.#entries.set(id, this.#entryOf(key));
    for (const [id, entry] of this.#entries) entry.unlisted = listed.has(id) ? 0 : entry.unlisted + 1;
    const patience = lacksEmpty ? maxUnlisted : 1;
    const vanished = [...this.#entries].filter(
      ([, entry]) => entry.unlisted >= (wasAsked(entry) ? patience : 1),
    );
    const retried = this.#retried();
    await this.#lookAtNew();
    await inParallel(vanished, maxInFlight, ([id, entry]) => this.#confirmGone(id, entry));
    await inParallel(retried, maxInFlight, (entry) => this.#look(entry));
  }

  /** Subscribes to all of them again, in case a push, or a subscription, was lost. */
  async verify(): Promise<void> {
    const entries = [...this.#entries.values()];
    // One that was ignored may have become a Dubbo application; the next list asks.
    for (const entry of entries)
      if (entry.state === "ignored" && entry.matters === "perhaps") entry.state = "new";
    const subscribed = entries.filter(({ state }) => state === "subscribed");
    await inParallel(subscribed, maxInFlight, (entry) => this.#subscribe(entry));
  }

  /** A push of a service's instances. One that makes no sense makes its service, or all of them, be asked for again. */
  push(body: unknown): void {
    const { serviceInfo } = pushSchema.safeParse(body).data ?? {};
    const named = namedSchema.safeParse(serviceInfo).data;
    const entry = named && this.#entries.get(idOf({ group: named.groupName, name: named.name }));
    const info = parseServiceInfo(serviceInfo);
    if (entry !== undefined && info !== undefined) this.#take(entry, info);
    if (named !== undefined && info !== undefined) return;
    for (const one of entry ? [entry] : this.#entries.values())
      if (one.state === "subscribed") one.state = "unsubscribed";
  }

  #entryOf(key: ServiceKey): Entry {
    const parsed = parseServiceName(key.name);
    const isWanted = parsed.kind !== "none" && this.#options.wants(parsed.name);
    const matters = isWanted ? "yes" : parsed.kind === "spring" ? "perhaps" : "no";
    return { key, matters, read: undefined, state: matters === "no" ? "ignored" : "new", unlisted: 0 };
  }

  /** What has no answer for as long as a request may take is unknown, so that it holds up nobody else. */
  async #lookAtNew(): Promise<void> {
    const { clock, set, whole } = this.#options;
    const isNew = ({ state, unlisted }: Entry): boolean => state === "new" && unlisted === 0;
    const waiting = new Set([...this.#entries.values()].filter(isNew));
    const cancel = clock.after(requestMs, () => {
      for (const { key } of waiting) set(key, noAnswer);
      whole();
    });
    try {
      await inParallel([...waiting], maxInFlight, async (entry) => {
        await this.#look(entry);
        waiting.delete(entry);
      });
    } finally {
      cancel();
    }
    whole();
  }

  /** The listed ones that are to be tried again, after all others without a subscription. */
  #retried(): readonly Entry[] {
    const all = [...this.#entries.values()].filter(
      ({ state, unlisted }) => state === "unsubscribed" && unlisted === 0,
    );
    const isSilent = ({ read }: Entry): boolean =>
      read !== undefined && isRefusal(read) && read.refused === errorCodes.noAnswer;
    const retried = [
      ...all.filter((entry) => !isSilent(entry)).slice(0, maxRetried),
      ...all.filter(isSilent).slice(0, maxSilentRetried),
    ];
    for (const entry of retried) {
      this.#entries.delete(idOf(entry.key));
      this.#entries.set(idOf(entry.key), entry);
    }
    return retried;
  }

  /** Subscribes to a service that matters. If it may be a Dubbo application, it first finds that out. */
  async #look(entry: Entry): Promise<void> {
    const wasSubscribed = entry.read !== undefined && !isRefusal(entry.read);
    if (entry.matters === "yes" || wasSubscribed) return this.#subscribe(entry);
    const read = await this.#options.client.query(entry.key);
    if (!isRefusal(read) && read.hosts.some(isOfDubbo)) return this.#subscribe(entry);
    if (isRefusal(read)) entry.state = "unsubscribed";
    else entry.state = read.hosts.length > 0 ? "ignored" : "new"; // an empty service may become anything
    this.#take(entry, isRefusal(read) ? read : undefined);
  }

  /** A refusal leaves a subscription in force, so what is known stays true, unless the right is gone. */
  async #subscribe(entry: Entry): Promise<void> {
    const before = entry.read;
    const answer = await this.#options.client.subscribe(entry.key);
    const isRefused = isRefusal(answer);
    if (isRefused && entry.state === "subscribed" && answer.refused !== errorCodes.forbidden) return;
    entry.state = isRefused ? "unsubscribed" : "subscribed";
    if (entry.read === before) this.#take(entry, answer);
  }

  /** A list may lack a living service, so a service with instances stays whatever the list says. */
  async #confirmGone(id: string, entry: Entry): Promise<void> {
    const { client, set } = this.#options;
    if (wasAsked(entry)) {
      await this.#subscribe(entry);
      const { read } = entry;
      if (!isGone(entry)) return;
      await client.unsubscribe(entry.key);
      if (entry.read !== read) return this.#subscribe(entry); // a push says that it is back
    }
    this.#entries.delete(id);
    set(entry.key, undefined);
  }

  #take(entry: Entry, read: ServiceRead | undefined): void {
    entry.read = read;
    this.#options.set(entry.key, read);
  }
}

/** Whether the server may have a subscription to it. */
const wasAsked = ({ state }: Entry): boolean => state === "subscribed" || state === "unsubscribed";

/** Whether a service that is no longer listed is gone. */
function isGone({ read, unlisted }: Entry): boolean {
  if (read === undefined) return true;
  if (isRefusal(read)) return unlisted >= maxUnlisted;
  return read.hosts.length + read.malformed.length === 0;
}
