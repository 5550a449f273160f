import * as z from "zod";
import { RegistryError } from "../../model/errors.ts";
import { parseJson } from "../../runtime/json.ts";
import type { HttpAnswer, HttpClient } from "../transport/http-client.ts";
import { httpFailure } from "../transport/http-error.ts";
import type { HttpServer } from "../transport/servers.ts";

/** A server that takes longer is frozen or waits for a leader. 1,000 services take 20 ms. Source: measured. */
const timeoutMs = 5_000;
/** Servers add up to a sixteenth to the wait time of a query. Source: Consul's manual, "Blocking Queries"; measured. */
const waitJitter = 17 / 16;

const product = "a Consul server or agent";

/** Makes a query blocking: the server answers once something is newer than `index`, or when time is up. */
export interface Wait {
  readonly index: number;
  readonly seconds: number;
  /** Ends the query, with its reason. */
  readonly signal?: AbortSignal;
}

/** An answer, and how complete it is. */
export interface IndexedAnswer<T> {
  readonly body: T;
  /** For the next blocking query; at least 1. It never goes back while the server keeps its data. */
  readonly index: number;
  /**
   * The token may not see the whole answer. Only non-blocking answers report this; a blocking one may silently lack
   * entries. Source: measured, and docs/registries/consul.md.
   */
  readonly isFiltered: boolean;
  /** Without a token, the server hides entries that nobody was granted and does not report it at all. */
  readonly hidesSilently: boolean;
}

/** A thing that a token may be allowed to read; "" = everything of its kind. */
export interface Right {
  readonly resource: "service" | "node";
  readonly name: string;
}

/** The server accepts no more connections from this address (`limits.http_max_conns_per_client`, default 200). */
export class TooManyConnectionsError extends Error {
  override readonly name = "TooManyConnectionsError";
}

/** Reads one Consul server or agent. Every method @throws RegistryError; TooManyConnectionsError; the signal's reason. */
export interface ConsulApi {
  readonly server: HttpServer;
  /** The names of all services. */
  services(wait?: Wait): Promise<IndexedAnswer<readonly string[]>>;
  /** The instances of a service, with their nodes and checks; none if there is no such service. */
  health(service: string, wait?: Wait): Promise<IndexedAnswer<readonly unknown[]>>;
  /** The checks in a state; 1,000 checks of `any` are 0.3 MB. */
  checks(state: "any" | "warning" | "critical", wait?: Wait): Promise<IndexedAnswer<readonly unknown[]>>;
  /** Whether the token, or a client without a token, has all of these rights. */
  mayRead(rights: readonly Right[]): Promise<boolean>;
}

const serviceNames = z.record(z.string(), z.unknown()).transform((tags) => Object.keys(tags));
const list = z.array(z.unknown());
const decisions = z.array(z.object({ Allow: z.boolean() }));

/** Source: developer.hashicorp.com/consul/api-docs. `token` is sent as a header, because access logs keep URLs. */
export function createConsulApi(
  http: Pick<HttpClient, "get" | "postJson">,
  server: HttpServer,
  options: { readonly token?: string; readonly datacenter: string },
): ConsulApi {
  const { token, datacenter } = options;
  const headers: Readonly<Record<string, string>> = token === undefined ? {} : { "x-consul-token": token };
  const urlOf = (path: string, fields: Readonly<Record<string, string>>): string => {
    const query = new URLSearchParams({ ...(datacenter !== "" && { dc: datacenter }), ...fields });
    return `${server.baseUrl}${path}${query.size > 0 ? "?" : ""}${query.toString()}`;
  };

  async function read<T>(path: string, type: z.ZodType<T>, wait?: Wait): Promise<IndexedAnswer<T>> {
    const doing = `GET ${path} at ${server.name}`;
    const { index: from, seconds, signal } = wait ?? {};
    const url = urlOf(path, wait ? { index: `${from}`, wait: `${seconds}s` } : {});
    const patienceMs = timeoutMs + (seconds ?? 0) * 1_000 * waitJitter;
    const limits = { timeoutMs: patienceMs, ...(signal && { signal }) };
    const answer = await http.get(url, { headers, ...limits }).catch((error: unknown) => {
      throw httpFailure(doing, error, product);
    });
    if (answer.status !== 200) throw refusalError(doing, answer, datacenter);
    const index = Number(answer.headers["x-consul-index"]);
    if (!Number.isSafeInteger(index)) throw notConsul(`${doing}: the answer has no header X-Consul-Index`);
    return {
      body: parse(doing, answer, type),
      index: Math.max(index, 1), // with 0 every blocking query would return at once
      isFiltered: answer.headers["x-consul-results-filtered-by-acls"] === "true",
      hidesSilently: token === undefined && answer.headers["x-consul-default-acl-policy"] === "deny",
    };
  }

  /** Asks what Consul's UI asks. A server without this endpoint grants nothing. Source: measured on 1.22.3. */
  async function mayRead(rights: readonly Right[]): Promise<boolean> {
    const path = "/v1/internal/acl/authorize";
    const doing = `POST ${path} at ${server.name}`;
    const asked = rights.map(({ resource: Resource, name: Segment }) => ({
      Resource,
      Access: "read",
      Segment,
    }));
    const answer = await http
      .postJson(urlOf(path, {}), asked, { headers, timeoutMs })
      .catch((error: unknown) => {
        throw httpFailure(doing, error, product);
      });
    if (answer.status === 429 || answer.status >= 500) throw refusalError(doing, answer, datacenter);
    return answer.status === 200 && parse(doing, answer, decisions).every(({ Allow }) => Allow);
  }

  return {
    server,
    services: (wait) => read("/v1/catalog/services", serviceNames, wait),
    health: (service, wait) => read(`/v1/health/service/${encodeURIComponent(service)}`, list, wait),
    checks: (state, wait) => read(`/v1/health/state/${state}`, list, wait),
    mayRead,
  };
}

function parse<T>(doing: string, { text }: HttpAnswer, type: z.ZodType<T>): T {
  const json = parseJson(text);
  if (json === undefined) throw notConsul(`${doing}: the answer is not JSON`);
  const parsed = type.safeParse(json);
  if (!parsed.success) throw notConsul(`${doing}: the answer does not have Consul's form`);
  return parsed.data;
}

/** The error for a status other than 200. It does not quote the body, which holds addresses and times. */
function refusalError(doing: string, { status, text }: HttpAnswer, datacenter: string): Error {
  if (status === 429) return new TooManyConnectionsError(doing);
  const detail = `${doing}: HTTP ${status}`;
  if (status === 401 || status === 403) {
    const advice =
      'Check the token in the Secret of spec.secretRef: it needs service_prefix "" and node_prefix "" with policy read.';
    return new RegistryError("RegistryUnauthorized", `${detail}, the token is not valid`, advice);
  }
  if (text.includes("No path to datacenter")) {
    const advice = "Check spec.consul.datacenter.";
    return new RegistryError("RegistryBadResponse", `${detail}, no datacenter ${datacenter}`, advice);
  }
  if (status >= 500) {
    const advice = "Check that the cluster has a leader and that its servers are reachable.";
    return new RegistryError("RegistryUnreachable", detail, advice);
  }
  return notConsul(detail);
}

function notConsul(detail: string): RegistryError {
  const advice = `Check that spec.address points to ${product}.`;
  return new RegistryError("RegistryBadResponse", detail, advice);
}
