import { RegistryError } from "../../model/errors.ts";
import type { Problem } from "../../model/problems.ts";
import type { Snapshot } from "../../model/service.ts";
import { every, inTime, pause } from "../../runtime/clock.ts";
import type { Deps } from "../../runtime/deps.ts";
import type { RegistryConfig } from "../adapter.ts";
import { createDialer, tlsOptionsOf } from "../transport/dialer.ts";
import { createHttpClient } from "../transport/http-client.ts";
import type { RefreshHooks } from "../transport/refreshes.ts";
import { dialAny } from "../transport/servers.ts";
import type { NacosServer } from "./address.ts";
import { NacosConnection } from "./connection.ts";
import { createHttpApi, type HttpApi } from "./http-api.ts";
import { createLogin } from "./login.ts";
import {
  groupsUnknown,
  type Lister,
  listAsAdmin,
  listCatalog,
  listGroups,
  NamedServices,
  notNamed,
} from "./names.ts";
import { NamingClient } from "./requests.ts";
import { ServiceTable } from "./state.ts";
import { type ServiceList, Subscriptions } from "./subscriptions.ts";

const listMs = 10_000;
/**
 * A server that has just started lists too little, and its clients return within seconds. So the reader lists more
 * often while the listing still settles.
 */
const startupMs = 35_000;
const startupListMs = 2_000;
/**
 * How long lists may fail: pushes and the health check vouch for what is known, only new and gone names are late. While
 * the listing still settles that is too long, because what an early list lacks counts as gone at the end of it.
 */
const listPatienceMs = 60_000;
const startupListPatienceMs = 10_000;
/** New services that the server names within this time are listed together, because a deployment registers hundreds. */
const namesDebounceMs = 500;
/** How long a server may take to name all services. */
const namingMs = 12_000;
/** The safety net under the pushes, plus up to half, so that hubs do not ask in step. */
const verifyMs = 10 * 60_000;

/** What is open for one hub. */
interface Open {
  readonly server: NacosServer;
  readonly connection: NacosConnection;
  readonly client: NamingClient;
  readonly api: HttpApi;
}

/**
 * One namespace over one gRPC connection. A server binds all of a subscriber's state to the connection. A list every
 * 10 s says which services there are; subscriptions say what they are. If the server names new services itself, they
 * are listed at once.
 */
export class NacosReader {
  readonly #config: RegistryConfig<"nacos">;
  readonly #hooks: RefreshHooks;
  readonly #deps: Deps;
  readonly #signal: AbortSignal;
  readonly #named = new NamedServices(() => this.#listSoon());
  readonly #due = { list: false, verify: false };
  readonly #table: ServiceTable;
  readonly #subscriptions: Subscriptions;
  #lister: Lister = () => Promise.resolve({ keys: [] });
  #isListSoon = false;
  #isWorking = false;
  /** Every service of the first list is known, or unknown. */
  #isWhole = false;
  /** Monotonic ms of the first list, and of the last one. */
  #firstListedAt: number | undefined;
  #listedAt = 0;
  #listProblem: Problem | undefined;

  /**
   * Connects to one of the servers, at one of its addresses. When the connection ends, the reader ends. @throws
   * RegistryError; the signal's reason.
   */
  static open(
    config: RegistryConfig<"nacos">,
    servers: readonly NacosServer[],
    hooks: RefreshHooks,
    deps: Deps,
    signal: AbortSignal,
  ): Promise<NacosReader> {
    const { registry, credentials } = config;
    const tls = { ...tlsOptionsOf(registry.tls, credentials), protocols: ["h2"] } as const;
    const dial = createDialer(tls, deps.clock, signal, deps.limits?.allowedCidrs);
    const http = createHttpClient({ limits: deps.limits }, deps.clock, signal);
    const connect = async (server: NacosServer, ip: string): Promise<NacosReader> => {
      let reader: NacosReader | undefined; // nothing that matters is pushed before
      const onPush = (type: string, body: unknown): void => reader?.push(type, body);
      const options = { server, ip, dial, secure: registry.tls.enabled, onPush };
      const connection = await NacosConnection.open(options, deps.clock, signal);
      const lost = Promise.withResolvers<never>();
      connection.whenLost(lost.reject);
      try {
        const login = createLogin(http, server, credentials, deps);
        const client = new NamingClient(connection, login, registry.namespace);
        reader = new NacosReader(config, client, hooks, deps, signal);
        const open = { server, connection, client, api: createHttpApi(http, server, login) };
        reader.#lister = await Promise.race([reader.#chooseLister(open), lost.promise]);
      } catch (error) {
        connection.close();
        throw error;
      }
      reader.#begin();
      connection.whenLost(hooks.onLost);
      return reader;
    };
    return dialAny(servers, connect, deps, signal);
  }

  private constructor(
    config: RegistryConfig<"nacos">,
    client: NamingClient,
    hooks: RefreshHooks,
    deps: Deps,
    signal: AbortSignal,
  ) {
    this.#config = config;
    this.#hooks = hooks;
    this.#deps = deps;
    this.#signal = signal;
    this.#table = new ServiceTable({ ...config, config: (id, group) => client.config(id, group) });
    this.#subscriptions = new Subscriptions({
      client,
      clock: deps.clock,
      wants: config.wants,
      set: (key, read) => {
        this.#table.set(key, read);
        hooks.changed();
      },
      whole: () => {
        this.#isWhole = true;
        hooks.changed();
      },
    });
  }

  /**
   * A snapshot of the current knowledge, whatever is being listed or asked meanwhile; undefined = no relevant change, or
   * the first list is not read yet. @throws RegistryError.
   */
  async refresh(): Promise<Snapshot | undefined> {
    return this.#isWhole ? this.#table.publish(this.#listProblem) : undefined;
  }

  /** Takes any push of the server. */
  push(type: string, body: unknown): void {
    if (type === "NotifySubscriberRequest") this.#subscriptions.push(body);
    else this.#named.push(type, body);
  }

  /** Does all that is due, one after the other. @throws RegistryError when the view can no longer be vouched for. */
  async #work(): Promise<void> {
    if (this.#isWorking) return;
    this.#isWorking = true;
    while (this.#due.list || this.#due.verify) {
      const { list, verify } = this.#due;
      this.#due.list = this.#due.verify = false;
      if (list) await this.#list();
      if (verify) await this.#subscriptions.verify();
    }
    this.#isWorking = false;
  }

  async #list(): Promise<void> {
    const list = await this.#tryToList();
    if (list !== undefined) {
      this.#listProblem = list.problem;
      await this.#subscriptions.update(list);
    }
    await this.#table.retry();
    this.#hooks.changed();
  }

  /** undefined = it failed, and may be late. */
  async #tryToList(): Promise<ServiceList | undefined> {
    const { clock } = this.#deps;
    const isFirst = this.#firstListedAt === undefined;
    try {
      const list = await (isFirst ? this.#lister().catch(() => this.#lister()) : this.#lister());
      this.#listedAt = clock.monotonic();
      this.#firstListedAt ??= this.#listedAt;
      return list;
    } catch (error) {
      const patienceMs = this.#isSettling() ? startupListPatienceMs : listPatienceMs;
      const isPassing = error instanceof RegistryError && error.code !== "RegistryUnauthorized";
      if (!isFirst && isPassing && clock.monotonic() - this.#listedAt < patienceMs) return undefined;
      throw error;
    }
  }

  #isSettling(): boolean {
    const { clock } = this.#deps;
    return this.#firstListedAt === undefined || clock.monotonic() - this.#firstListedAt < startupMs;
  }

  /** @throws RegistryError when no list would have all groups. */
  async #chooseLister({ server, connection, client, api }: Open): Promise<Lister> {
    const { groups, namespace } = this.#config.registry;
    if (groups.length > 0) return listGroups(client, server.name, groups);
    if (!connection.abilities.has("fuzzyWatch")) return listCatalog(api, namespace);
    const refusal = await client.watchAll();
    const { username, token } = this.#config.credentials;
    if (username !== undefined || token !== undefined) {
      const asAdmin = listAsAdmin(api, namespace);
      try {
        await asAdmin();
        return asAdmin;
      } catch (error) {
        if (refusal !== undefined || !(error instanceof RegistryError)) throw error;
      }
    }
    if (refusal !== undefined) throw notNamed(server.name, refusal);
    const why = `the server did not finish the list within ${namingMs / 1_000} s`;
    const late = (): RegistryError => groupsUnknown("RegistryBadResponse", server.name, why);
    await inTime(this.#named.complete, { ms: namingMs, late }, this.#deps.clock, this.#signal);
    return this.#named.lister(client, server.name);
  }

  #begin(): void {
    const { clock, random } = this.#deps;
    const nextVerifyMs = (): number => verifyMs * (1 + random() / 2);
    const nextListMs = (): number => (this.#isSettling() ? startupListMs : listMs);
    every(clock, nextListMs, () => this.#dueNow("list"), this.#signal);
    every(clock, nextVerifyMs, () => this.#dueNow("verify"), this.#signal);
    this.#dueNow("list");
  }

  #listSoon(): void {
    if (this.#isListSoon) return;
    this.#isListSoon = true;
    void pause(this.#deps.clock, namesDebounceMs, this.#signal).then(() => {
      this.#isListSoon = false;
      this.#dueNow("list");
    });
  }

  #dueNow(what: "list" | "verify"): void {
    this.#due[what] = true;
    this.#work().catch(this.#hooks.onLost);
  }
}
