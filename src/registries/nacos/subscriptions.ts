import * as z from "zod";
import type { Problem } from "../../model/problems.ts";
import { inParallel } from "../transport/parallel.ts";
import { isOfDubbo } from "./decode.ts";
import { isRefusal, maxInFlight, type NamingClient, type ServiceRead } from "./requests.ts";
import { errorCodes } from "./response.ts";
import { BadServiceInfoError, parseServiceInfo } from "./service-info.ts";
import { idOf, parseServiceName, type ServiceKey } from "./service-name.ts";

/** How many services without a subscription are tried again with each list. */
const maxRetried = 200;
/** A service that cannot be asked for is gone after so many lists without it: a server forgets an empty one sooner. */
const maxUnlisted = 6;

const pushSchema = z.object({ serviceInfo: z.unknown() });
const namedSchema = z.object({ name: z.string(), groupName: z.string() });

export interface SubscriptionsOptions {
  readonly client: NamingClient;
  /** Whether the hub's filter includes this interface or service name. */
  readonly wants: (name: string) => boolean;
  /** Sets the current state of a service; undefined = it is gone. */
  readonly set: (key: ServiceKey, read: ServiceRead | undefined) => void;
}

/** The services that there are. */
export interface ServiceList {
  readonly keys: readonly ServiceKey[];
  /** The list lacks services without instances, which a server would name for another minute. */
  readonly lacksEmpty?: boolean;
  /** What people should know of the list. */
  readonly problem?: Problem;
}

/** One service that matters, or may. */
interface Entry {
  readonly key: ServiceKey;
  read: ServiceRead;
  /** The server has accepted the subscription, and every push since then made sense. */
  isSubscribed: boolean;
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
  /** Services that were read once: neither wanted nor a Dubbo application that may serve a wanted interface. */
  readonly #ignored = new Set<string>();

  constructor(options: SubscriptionsOptions) {
    this.#options = options;
  }

  /** Takes a complete list: subscribes to new services and unsubscribes from those that are really gone. */
  async update({ keys, lacksEmpty = false }: ServiceList): Promise<void> {
    const listed = new Map(keys.map((key) => [idOf(key), key]));
    for (const id of this.#ignored) if (!listed.has(id)) this.#ignored.delete(id);
    const fresh = [...listed].filter(([id]) => !this.#entries.has(id) && !this.#ignored.has(id));
    const retried = [...this.#entries]
      .filter(([id, { isSubscribed }]) => !isSubscribed && listed.has(id))
      .slice(0, maxRetried);
    for (const [id, entry] of this.#entries) entry.unlisted = listed.has(id) ? 0 : entry.unlisted + 1;
    const patience = lacksEmpty ? maxUnlisted : 1;
    const vanished = [...this.#entries].filter(([, { unlisted }]) => unlisted >= patience);
    await inParallel(fresh, maxInFlight, ([, key]) => this.#look(key));
    await inParallel(vanished, maxInFlight, ([id, entry]) => this.#confirmGone(id, entry));
    await inParallel(retried, maxInFlight, ([id, entry]) => this.#retry(id, entry));
  }

  /** Subscribes to all of them again, in case a push, or a subscription, was lost. */
  async verify(): Promise<void> {
    this.#ignored.clear(); // one of them may have become a Dubbo application; the next list asks
    const subscribed = [...this.#entries.values()].filter(({ isSubscribed }) => isSubscribed);
    await inParallel(subscribed, maxInFlight, (entry) => this.#subscribe(entry));
  }

  /** A push of a service's instances. One that makes no sense makes its service, or all of them, be asked for again. */
  push(body: unknown): void {
    const { serviceInfo } = pushSchema.safeParse(body).data ?? {};
    const named = namedSchema.safeParse(serviceInfo).data;
    const entry = named && this.#entries.get(idOf({ group: named.groupName, name: named.name }));
    try {
      const info = parseServiceInfo(serviceInfo);
      if (entry !== undefined) this.#take(entry, info);
      if (named !== undefined) return;
    } catch (error) {
      if (!(error instanceof BadServiceInfoError)) throw error;
    }
    for (const one of entry ? [entry] : this.#entries.values()) one.isSubscribed = false;
  }

  /** Subscribes to a relevant service. If the service may be a Dubbo application, it first finds that out. */
  async #look(key: ServiceKey): Promise<void> {
    const parsed = parseServiceName(key.name);
    if (parsed.kind !== "none" && this.#options.wants(parsed.name)) return this.#subscribe(this.#add(key));
    if (parsed.kind !== "spring") return void this.#ignored.add(idOf(key));
    const read = await this.#options.client.query(key);
    if (isRefusal(read)) this.#take(this.#add(key), read);
    else if (read.hosts.some(isOfDubbo)) return this.#subscribe(this.#add(key));
    else if (read.hosts.length > 0) this.#ignored.add(idOf(key)); // an empty service may become anything
  }

  /** Tries again, after all others that have no subscription. */
  async #retry(id: string, entry: Entry): Promise<void> {
    if (this.#entries.get(id) !== entry) return;
    this.#entries.delete(id);
    if (!isRefusal(entry.read) || this.#options.wants(parsedName(entry.key))) {
      this.#entries.set(id, entry);
      return this.#subscribe(entry);
    }
    await this.#look(entry.key);
    if (!this.#entries.has(id)) this.#options.set(entry.key, undefined);
  }

  #add(key: ServiceKey): Entry {
    const entry = { key, read: { refused: errorCodes.noAnswer }, isSubscribed: false, unlisted: 0 };
    this.#entries.set(idOf(key), entry); // before the answer, because a push may arrive first
    return entry;
  }

  /** A refusal leaves a subscription in force, so what is known stays true, unless the right is gone. */
  async #subscribe(entry: Entry): Promise<void> {
    const before = entry.read;
    const answer = await this.#options.client.subscribe(entry.key);
    const isRefused = isRefusal(answer);
    const isKept = isRefused && entry.isSubscribed && answer.refused !== errorCodes.forbidden;
    if (isKept) return;
    entry.isSubscribed = !isRefused;
    if (entry.read === before) this.#take(entry, answer);
  }

  /** A list may lack a living service, so a service with instances stays whatever the list says. */
  async #confirmGone(id: string, entry: Entry): Promise<void> {
    const { client, set } = this.#options;
    await this.#subscribe(entry);
    const { read } = entry;
    const mayBeGone = isRefusal(read) ? entry.unlisted >= maxUnlisted : isEmpty(read);
    if (!mayBeGone) return;
    await client.unsubscribe(entry.key);
    if (entry.read !== read) return this.#subscribe(entry); // a push says that it is back
    this.#entries.delete(id);
    set(entry.key, undefined);
  }

  #take(entry: Entry, read: ServiceRead): void {
    entry.read = read;
    this.#options.set(entry.key, read);
  }
}

const isEmpty = (read: ServiceRead): boolean =>
  !isRefusal(read) && read.hosts.length + read.malformed.length === 0;

function parsedName({ name }: ServiceKey): string {
  const parsed = parseServiceName(name);
  return parsed.kind === "none" ? name : parsed.name;
}
