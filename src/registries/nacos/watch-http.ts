import { RegistryError } from "../../model/errors.ts";
import type { RegistrySpec } from "../../model/hub.ts";
import type { Snapshot } from "../../model/service.ts";
import type { Deps } from "../../runtime/deps.ts";
import type { RegistryConfig } from "../adapter.ts";
import { tlsOptionsOf } from "../transport/dialer.ts";
import { createHttpClient } from "../transport/http-client.ts";
import { inParallel } from "../transport/parallel.ts";
import { type Polled, polls } from "../transport/polling.ts";
import { tryAny } from "../transport/servers.ts";
import type { NacosServer } from "./address.ts";
import { badAnswer, createHttpApi, type HttpApi, isForbidden, refusalError } from "./http-api.ts";
import { type Listing, openListing } from "./http-names.ts";
import { createLogin, isTokenRefused } from "./login.ts";
import { type ConfigRead, isRefusal, maxInFlight, type ServiceRead } from "./requests.ts";
import { BadServiceInfoError, parseServiceInfo, type ServiceInfo } from "./service-info.ts";
import { idOf, parseServiceName, type ServiceKey } from "./service-name.ts";
import { ServiceTable } from "./state.ts";

/** The time from the end of one round to the next, plus or minus a tenth, so that hubs do not list in step. */
const pollMs = 5_000;
/**
 * Rounds take at most a quarter of the time: 1,000 services cost the server 1.6 s of CPU each time. Source: measured
 * on 2.3.2.
 */
const pausePerReadTime = 3;

const instancesPath = "/v1/ns/instance/list";
const configPath = "/v1/cs/configs";

/**
 * Polls the v1 API, for servers of 1.x and networks that block gRPC. Each watch stays with one server, the first in
 * random order that answers its first round; other servers may be behind it. The only trace of a server's restart is
 * a round without an answer.
 * @throws RegistryError as soon as one round fails.
 */
export function watchHttp(
  config: RegistryConfig<"nacos">,
  servers: readonly NacosServer[],
  deps: Deps,
  signal: AbortSignal,
): AsyncGenerator<Snapshot> {
  const { registry, credentials } = config;
  const open = (stop: AbortSignal): Promise<Polled<Snapshot>> => {
    const tls = tlsOptionsOf(registry.tls, credentials);
    const http = createHttpClient({ tls, connections: maxInFlight }, deps.clock, stop);
    const namespace = namespaceId(registry);
    const first = async (server: NacosServer): Promise<Polled<Snapshot>> => {
      const api = createHttpApi(http, server, createLogin(http, server, credentials, deps));
      const listing = await openListing(api, namespace, registry.groups);
      const reader = new HttpReader(config, api, namespace, listing);
      return { first: await reader.round(), next: () => reader.round() };
    };
    return tryAny(servers, first, deps);
  };
  const pauseMs = (roundMs: number): number =>
    Math.max(pollMs * (0.9 + deps.random() / 5), roundMs * pausePerReadTime);
  return polls(open, pauseMs, deps.clock, signal);
}

/** The knowledge of one watch about one server. */
class HttpReader {
  readonly #wants: (name: string) => boolean;
  readonly #api: HttpApi;
  readonly #namespaceId: string;
  readonly #listing: Listing;
  readonly #table: ServiceTable;
  readonly #known = new Map<string, ServiceKey>();

  constructor(config: RegistryConfig<"nacos">, api: HttpApi, namespaceId: string, listing: Listing) {
    this.#wants = config.wants;
    this.#api = api;
    this.#namespaceId = namespaceId;
    this.#listing = listing;
    this.#table = new ServiceTable({
      ...config,
      wants: config.wants,
      config: (dataId, group) => twice(() => this.#config(dataId, group)),
    });
  }

  /**
   * Reads everything once; undefined = nothing changed. An unlisted service is gone only once it also has no
   * instance: servers keep a name for another minute after its last instance, so a list that misses a service costs
   * one request and no service. @throws RegistryError; the reader is useless then.
   */
  async round(): Promise<Snapshot | undefined> {
    const listed = (await twice(() => this.#listing.read())).filter(({ name }) => this.#mayMatter(name));
    const isListed = new Set(listed.map(idOf));
    const unlisted = [...this.#known.values()].filter((key) => !isListed.has(idOf(key)));
    await inParallel([...listed, ...unlisted], maxInFlight, async (key) => {
      const read = await twice(() => this.#instances(key));
      const isGone = !isRefusal(read) && isEmpty(read) && !isListed.has(idOf(key));
      if (isGone) this.#known.delete(idOf(key));
      else this.#known.set(idOf(key), key);
      this.#table.set(key, isGone ? undefined : read);
    });
    return this.#table.publish(true);
  }

  /** Whether an unwanted name may belong to a Dubbo application that serves a wanted interface. */
  #mayMatter(name: string): boolean {
    const parsed = parseServiceName(name);
    return parsed.kind === "spring" || (parsed.kind === "dubbo" && this.#wants(parsed.name));
  }

  async #instances(key: ServiceKey): Promise<ServiceRead> {
    const answer = await this.#api.get(instancesPath, {
      serviceName: idOf(key),
      namespaceId: this.#namespaceId,
      clusters: "",
      healthyOnly: "false",
    });
    if (isForbidden(answer) && !isTokenRefused(answer.text)) return { refused: 403 };
    if (answer.status !== 200) throw refusalError(this.#api, instancesPath, answer);
    try {
      return parseServiceInfo(answer.text);
    } catch (error) {
      if (!(error instanceof BadServiceInfoError)) throw error;
      throw badAnswer(this.#api, instancesPath, error.message);
    }
  }

  /** 404 means that a configuration does not exist; a server without the API says nothing about any configuration. */
  async #config(dataId: string, group: string): Promise<ConfigRead> {
    const answer = await this.#api.get(configPath, { dataId, group, tenant: this.#namespaceId });
    if (isForbidden(answer) && !isTokenRefused(answer.text)) return "unreadable";
    if (answer.status === 404 || answer.status === 410) return "missing";
    if (answer.status !== 200) throw refusalError(this.#api, configPath, answer);
    return { content: answer.text };
  }
}

const isEmpty = ({ hosts, malformed }: ServiceInfo): boolean => hosts.length === 0 && malformed.length === 0;

/** Tries a request twice, because an idle connection may break under the first one. */
async function twice<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    const mayPass =
      error instanceof RegistryError &&
      (error.code === "RegistryUnreachable" || error.code === "RegistryBadResponse");
    if (!mayPass) throw error;
    return read();
  }
}

/**
 * Over HTTP "public", "" and no value are the same namespace, and 1.x knows only "". Source: measured on 2.0.3,
 * 2.3.2, 3.1.0.
 */
const namespaceId = ({ namespace }: Pick<RegistrySpec<"nacos">, "namespace">): string =>
  namespace === "public" ? "" : namespace;
