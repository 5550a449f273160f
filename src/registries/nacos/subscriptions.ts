import * as z from "zod";
import { inParallel } from "../transport/parallel.ts";
import { isOfDubbo } from "./decode.ts";
import { type Forbidden, maxInFlight } from "./group.ts";
import type { NamingClient } from "./requests.ts";
import { parseServiceInfo, type ServiceInfo } from "./service-info.ts";
import { idOf, parseServiceName, type ServiceKey } from "./service-name.ts";

/** How many unreadable services are tried again with each list. */
const maxRetried = 200;

const notifySchema = z.object({ serviceInfo: z.unknown() });

export interface SubscriptionsOptions {
  readonly client: NamingClient;
  /** Whether the hub's filter includes this interface or service name. */
  readonly wants: (name: string) => boolean;
  /** Sets the current state of a service; undefined = it is gone. */
  readonly set: (key: ServiceKey, read: ServiceInfo | Forbidden | undefined) => void;
}

/**
 * Keeps every relevant service subscribed. The list says which services there are; answers and pushes say what they
 * are. A push that arrives while an answer is pending is the newer one. Its methods @throws RegistryError when the
 * connection is useless.
 */
export class Subscriptions {
  readonly #options: SubscriptionsOptions;
  readonly #reads = new Map<string, { readonly key: ServiceKey; read: ServiceInfo | Forbidden }>();
  /** Services that were read once: neither wanted nor a Dubbo application that may serve a wanted interface. */
  readonly #ignored = new Set<string>();

  constructor(options: SubscriptionsOptions) {
    this.#options = options;
  }

  /** Takes a complete list: subscribes to new services and unsubscribes from those that are really gone. */
  async update(keys: readonly ServiceKey[]): Promise<void> {
    const listed = new Map(keys.map((key) => [idOf(key), key]));
    for (const id of this.#ignored) if (!listed.has(id)) this.#ignored.delete(id);
    const fresh = [...listed].filter(([id]) => !this.#reads.has(id) && !this.#ignored.has(id));
    await inParallel(fresh, maxInFlight, ([id, key]) => this.#trySubscribe(id, key));
    const vanished = [...this.#reads].filter(([id]) => !listed.has(id));
    await inParallel(vanished, maxInFlight, ([id, { key }]) => this.#confirmGone(id, key));
    const forbidden = [...this.#reads.values()].filter(({ read }) => read === "forbidden");
    await inParallel(forbidden.slice(0, maxRetried), maxInFlight, ({ key }) => this.#subscribe(key));
  }

  /** Queries all of them again, in case a push was lost. */
  async verify(): Promise<void> {
    const { client } = this.#options;
    await inParallel([...this.#reads.values()], maxInFlight, ({ key }) =>
      this.#ask(key, () => client.query(key)),
    );
  }

  /** A push of a service's instances. */
  push(body: unknown): void {
    const info = parseServiceInfo(notifySchema.parse(body).serviceInfo);
    const key = { group: info.groupName, name: info.name };
    if (this.#reads.has(idOf(key))) this.#take(key, info);
  }

  /** Subscribes to a relevant service. If the service may be a Dubbo application, it first finds that out. */
  async #trySubscribe(id: string, key: ServiceKey): Promise<void> {
    const parsed = parseServiceName(key.name);
    if (parsed.kind !== "none" && this.#options.wants(parsed.name)) return this.#subscribe(key);
    const info = parsed.kind === "spring" ? await this.#options.client.query(key) : "forbidden";
    if (info !== "forbidden" && info.hosts.some(isOfDubbo)) return this.#subscribe(key);
    if (info === "forbidden" || info.hosts.length > 0) this.#ignored.add(id); // an empty service may become anything
  }

  async #subscribe(key: ServiceKey): Promise<void> {
    const known = this.#reads.get(idOf(key));
    if (known === undefined) this.#reads.set(idOf(key), { key, read: "forbidden" }); // a push may arrive before the answer
    await this.#ask(key, () => this.#options.client.subscribe(key));
  }

  /** A list may lack a living service, so a service with instances stays whatever the list says. */
  async #confirmGone(id: string, key: ServiceKey): Promise<void> {
    const { client, set } = this.#options;
    await this.#ask(key, () => client.query(key));
    const read = this.#reads.get(id)?.read;
    if (read === undefined || read === "forbidden" || read.hosts.length + read.malformed.length > 0) return;
    await client.unsubscribe(key);
    this.#reads.delete(id);
    set(key, undefined);
  }

  async #ask(key: ServiceKey, request: () => Promise<ServiceInfo | Forbidden>): Promise<void> {
    const before = this.#reads.get(idOf(key))?.read;
    const answer = await request();
    if (this.#reads.get(idOf(key))?.read === before) this.#take(key, answer);
  }

  #take(key: ServiceKey, read: ServiceInfo | Forbidden): void {
    const entry = this.#reads.get(idOf(key));
    if (entry === undefined) return;
    entry.read = read;
    this.#options.set(key, read);
  }
}
