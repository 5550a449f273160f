import type { Snapshot } from "../../model/service.ts";
import { every, pause } from "../../runtime/clock.ts";
import type { Clock, Deps } from "../../runtime/deps.ts";
import type { RegistryConfig } from "../adapter.ts";
import { createDialer, type Dialer, tlsOptionsOf } from "../transport/dialer.ts";
import { createHttpClient, type HttpClient } from "../transport/http-client.ts";
import type { RefreshHooks } from "../transport/refreshes.ts";
import { tryAny } from "../transport/servers.ts";
import type { NacosServer } from "./address.ts";
import { NacosConnection } from "./connection.ts";
import { createHttpApi } from "./http-api.ts";
import { openListing } from "./http-names.ts";
import { createLogin } from "./login.ts";
import { groupsUnknown, type Lister, listGroups, NamedGroups, namingMs } from "./names.ts";
import { NamingClient } from "./requests.ts";
import { ServiceTable } from "./state.ts";
import { Subscriptions } from "./subscriptions.ts";

const listMs = 10_000;
/**
 * A server that has just started lists too little, and its clients return within seconds. So the reader lists more
 * often while the listing still settles.
 */
const startupMs = 35_000;
const startupListMs = 2_000;
/** New services that the server names within this time are listed together, because a deployment registers hundreds. */
const namesDebounceMs = 500;
/** The safety net under the pushes, plus up to half, so that hubs do not ask in step. */
const verifyMs = 10 * 60_000;

/**
 * One namespace over one gRPC connection. A server binds all of a subscriber's state to the connection. A list every
 * 10 s says which services there are; subscriptions say what they are. If the server names new services itself, they
 * are listed at once.
 */
export class GrpcReader {
  readonly #hooks: RefreshHooks;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #named = new NamedGroups(() => this.#listSoon());
  readonly #due = { list: true, verify: false };
  #isListSoon = false;
  #lister: Lister = () => Promise.resolve([]);
  #subscriptions: Subscriptions | undefined;
  #table: ServiceTable | undefined;

  /**
   * Connects to one of the servers. When the connection ends, the reader ends. @throws RegistryError; the signal's
   * reason.
   */
  static async open(
    config: RegistryConfig<"nacos">,
    servers: readonly NacosServer[],
    hooks: RefreshHooks,
    deps: Deps,
    signal: AbortSignal,
  ): Promise<GrpcReader> {
    const { registry, credentials } = config;
    const tls = { ...tlsOptionsOf(registry.tls, credentials), protocols: ["h2"] } as const;
    const dial = createDialer(tls, deps.clock, signal);
    const http = createHttpClient({}, deps.clock, signal);
    const reader = await tryAny(
      servers,
      async (server) => {
        const opening = new GrpcReader(hooks, deps.clock, signal);
        await opening.#connect(config, { server, dial, http }, deps);
        return opening;
      },
      deps,
    );
    reader.#setTimers(deps);
    return reader;
  }

  private constructor(hooks: RefreshHooks, clock: Clock, signal: AbortSignal) {
    this.#hooks = hooks;
    this.#clock = clock;
    this.#signal = signal;
  }

  /** A snapshot of the current knowledge; undefined = no relevant change. @throws RegistryError. */
  async refresh(): Promise<Snapshot | undefined> {
    const { list, verify } = this.#due;
    this.#due.list = this.#due.verify = false;
    if (list) await this.#subscriptions?.update(await this.#lister());
    if (verify) await this.#subscriptions?.verify();
    return this.#table?.publish(list);
  }

  #setTimers({ clock, random }: Deps): void {
    const nextVerifyMs = (): number => verifyMs * (1 + random() / 2);
    const openedAt = clock.monotonic();
    const nextListMs = (): number => (clock.monotonic() - openedAt < startupMs ? startupListMs : listMs);
    every(clock, nextListMs, () => this.#dueNow("list"), this.#signal);
    every(clock, nextVerifyMs, () => this.#dueNow("verify"), this.#signal);
  }

  #listSoon(): void {
    if (this.#isListSoon) return;
    this.#isListSoon = true;
    void pause(this.#clock, namesDebounceMs, this.#signal).then(() => {
      this.#isListSoon = false;
      this.#dueNow("list");
    });
  }

  #dueNow(what: "list" | "verify"): void {
    this.#due[what] = true;
    this.#hooks.changed();
  }

  async #connect(
    { registry, credentials, wants }: RegistryConfig<"nacos">,
    {
      server,
      dial,
      http,
    }: { readonly server: NacosServer; readonly dial: Dialer; readonly http: HttpClient },
    deps: Deps,
  ): Promise<void> {
    const connection = await NacosConnection.open(
      {
        server,
        dial,
        secure: registry.tls.enabled,
        onPush: (type, body) => this.#onPush(type, body),
        onLost: this.#hooks.onLost,
      },
      this.#clock,
      this.#signal,
    );
    try {
      const login = createLogin(http, server, credentials, deps);
      const client = new NamingClient(server.name, connection, login, registry.namespace);
      const table = new ServiceTable({ wants, config: (id, group) => client.config(id, group) });
      this.#table = table;
      this.#subscriptions = new Subscriptions({
        client,
        wants,
        set: (key, read) => {
          table.set(key, read);
          this.#hooks.changed();
        },
      });
      if (registry.groups.length > 0) this.#lister = listGroups(client, () => registry.groups);
      else if (connection.abilities.has("fuzzyWatch")) this.#lister = await this.#listNamed(client);
      else {
        const listing = await openListing(createHttpApi(http, server, login), registry.namespace, []);
        this.#lister = () => listing.read();
      }
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  /** Lists the groups that the server names. @throws RegistryError when it does not name all of them. */
  async #listNamed(client: NamingClient): Promise<Lister> {
    const isNamed = await client.watchAll();
    if (isNamed === "forbidden")
      throw groupsUnknown("RegistryUnauthorized", client.server, "the account may not read all groups");
    if (!isNamed)
      throw groupsUnknown("RegistryBadResponse", client.server, "the server names at most 500 services");
    const named = new AbortController();
    const patience = AbortSignal.any([this.#signal, named.signal]);
    const late = pause(this.#clock, namingMs, patience).then(() => "late");
    const isLate = (await Promise.race([this.#named.complete, late])) === "late";
    named.abort();
    if (isLate)
      throw groupsUnknown(
        "RegistryBadResponse",
        client.server,
        `the server did not finish the list within ${namingMs / 1_000} s`,
      );
    return listGroups(client, () => this.#named.names);
  }

  #onPush(type: string, body: unknown): void {
    if (type === "NotifySubscriberRequest") this.#subscriptions?.push(body);
    else this.#named.push(type, body);
  }
}
