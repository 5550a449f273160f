import * as z from "zod";
import { RegistryError } from "../../model/errors.ts";
import type { Clock } from "../../runtime/deps.ts";
import { listOf } from "../../runtime/json.ts";
import { type Exchange, type ReadSteps, readAnswer, readList, statusError } from "../transport/answers.ts";
import type { HttpAnswer, HttpBytes, HttpClient, HttpHead } from "../transport/http-client.ts";
import { HttpError, httpFailure } from "../transport/http-error.ts";
import type { HttpServer } from "../transport/servers.ts";
import { type Checks, type Health, readChecks, readHealth, readNames, type Selection } from "./decode.ts";

/** A server that takes longer is frozen or waits for a leader. 1,000 services take 20 ms. Source: measured. */
const timeoutMs = 5_000;
/** Servers add up to a sixteenth to the wait time of a query. Source: Consul's manual, "Blocking Queries"; measured. */
const waitJitter = 17 / 16;

const product = "a Consul server or agent";
const advice = {
  unauthorized:
    'Check the token in the Secret of spec.secretRef: it needs service_prefix "" and node_prefix "" with policy read.',
  notReady: "Check that the cluster has a leader and that its servers are reachable.",
};

/** Something that can be asked, at once or as a query that waits for news. */
export interface Question<T> {
  readonly path: string;
  readonly isOfFleet: boolean;
  readonly read: ReadSteps<T>;
}

/** The names of all services. */
export const allServices: Question<readonly string[]> = {
  path: "/v1/catalog/services",
  isOfFleet: true,
  read: readNames,
};

/** The checks in a state, or why they are of no use; 1,000 checks of `any` are 0.3 MB. */
export const checksIn = (state: "any" | "warning" | "critical"): Question<Checks | "too many"> => ({
  path: `/v1/health/state/${state}`,
  isOfFleet: true,
  read: readChecks,
});

/** The instances of a service that a hub asks for, with the nodes of all; none if there is no such service. */
export const healthOf = (service: string, selection: Selection): Question<Health> => ({
  path: `/v1/health/service/${encodeURIComponent(service)}`,
  isOfFleet: false,
  read: (json) => readHealth(json, selection),
});

/** Whether a URL can name the service: "." and ".." are no names in a path, however they are written. */
export const isAskable = (service: string): boolean => service !== "." && service !== "..";

/**
 * How much of the truth an answer shows. `whole`: nobody is denied anything. `filtered`: the server says that it hides
 * something. `unproven`: it would say so, if it knows of such a thing and the token has reached it. `silent`: it never
 * says so without a token. Source: measured, and docs/registries/consul.md.
 */
export type Sight = "whole" | "filtered" | "unproven" | "silent";

/** An answer, and how complete it is. */
export interface IndexedAnswer<T> {
  readonly body: T;
  /** For the next query that waits; at least 1. It never goes back while the server keeps its data. */
  readonly index: number;
  readonly sight: Sight;
}

/** Until when a query waits: something is newer than `index`, or time is up. */
export interface Wait {
  readonly index: number;
  readonly seconds: number;
  /** Ends the query, with its reason. */
  readonly signal?: AbortSignal;
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
  /** The leader's answer of this moment. */
  ask<T>(question: Question<T>): Promise<IndexedAnswer<T>>;
  /**
   * A notification, which proves nothing: the answer may lack what its token was denied while it waited. undefined = it
   * was refused, or a proxy ended it; only `ask` tells why.
   */
  waitFor<T>(question: Question<T>, wait: Wait): Promise<IndexedAnswer<T> | undefined>;
  /** Whether the token, or a client without a token, has all of these rights. */
  mayRead(rights: readonly Right[]): Promise<boolean>;
}

const decisions = listOf(z.object({ Allow: z.boolean() }));

/** Source: developer.hashicorp.com/consul/api-docs. `token` is sent as a header, because access logs keep URLs. */
export function createConsulApi(
  http: Pick<HttpClient, "getList" | "postJson">,
  server: HttpServer,
  { token, datacenter }: { readonly token?: string; readonly datacenter: string },
  clock: Pick<Clock, "monotonic">,
): ConsulApi {
  const headers: Readonly<Record<string, string>> = token === undefined ? {} : { "x-consul-token": token };
  const nameOf = (method: string, path: string): string => `${method} ${path} at ${server.name}`;
  const urlOf = (path: string, fields: Readonly<Record<string, string>>): string =>
    `${server.baseUrl}${path}${queryOf({ ...(datacenter !== "" && { dc: datacenter }), ...fields })}`;
  /** @throws HttpError too; what `use` throws. */
  async function get<R>(
    { path, isOfFleet }: Question<unknown>,
    wait: Wait | undefined,
    use: Use<R>,
  ): Promise<R> {
    const { index = 0, seconds = 0, signal } = wait ?? {};
    // An agent may be set to answer from any server (`discovery_max_stale`), unless it is asked for the leader.
    const url = urlOf(path, { leader: "", ...(wait && { index: `${index}`, wait: `${seconds}s` }) });
    const timing = { timeoutMs: timeoutMs + seconds * 1_000 * waitJitter, ...(signal && { signal }) };
    return http.getList(url, { headers, isOfFleet, ...timing }, (answer, stop) =>
      use(answered(nameOf("GET", path), answer), stop),
    );
  }
  const indexed = async <T>({ read }: Question<T>, ...[exchange, stop]: Parameters<Use<unknown>>) => ({
    index: indexOf(exchange),
    body: await readList(read, exchange, clock, stop),
    sight: sightOf(exchange.answer, token !== undefined),
  });

  return {
    server,
    ask(question) {
      const doing = nameOf("GET", question.path);
      const use = (exchange: Exchange<HttpBytes>, stop: AbortSignal) => {
        const { status, bytes } = exchange.answer;
        if (status !== 200) throw refusalError(exchange, bytes.toString("latin1"), datacenter);
        assertOfLeader(exchange);
        return indexed(question, exchange, stop);
      };
      return get(question, undefined, use).catch(explained(doing));
    },
    async waitFor(question, wait) {
      try {
        return await get(question, wait, async (exchange, stop) =>
          exchange.answer.status === 200 ? indexed(question, exchange, stop) : undefined,
        );
      } catch (error) {
        if (error instanceof RegistryError) return undefined;
        if (error instanceof HttpError && error.kind !== "unreachable") return undefined;
        return explained(nameOf("GET", question.path))(error);
      }
    },
    async mayRead(rights) {
      const path = "/v1/internal/acl/authorize";
      const doing = nameOf("POST", path);
      const answer = await http
        .postJson(urlOf(path, {}), rights.map(asAsked), { headers, timeoutMs })
        .catch(explained(doing));
      return areAllowed(answered(doing, answer), datacenter);
    },
  };
}

function queryOf(fields: Readonly<Record<string, string>>): string {
  const query = new URLSearchParams(fields);
  return query.size > 0 ? `?${query.toString()}` : "";
}

function answered<A extends HttpHead>(doing: string, answer: A): Exchange<A> {
  if (answer.status === 429) throw new TooManyConnectionsError(doing);
  return { doing, product, answer };
}

const asAsked = ({ resource, name }: Right) => ({ Resource: resource, Access: "read", Segment: name });

/** What is made of an answer while its body is in memory. */
type Use<R> = (exchange: Exchange<HttpBytes>, stop: AbortSignal) => Promise<R>;

const explained =
  (doing: string) =>
  (error: unknown): never => {
    throw httpFailure(doing, error, product);
  };

/** What Consul's UI asks. A server without this endpoint, or a proxy that only reads, grants nothing. Source: measured on 1.22.3. */
function areAllowed(exchange: Exchange<HttpAnswer>, datacenter: string): boolean {
  const { status, text } = exchange.answer;
  if (status >= 500 && status !== 501) throw refusalError(exchange, text, datacenter);
  if (status === 401 && text.includes("ACL support disabled")) return true;
  return status === 200 && readAnswer(decisions, exchange).every(({ Allow }) => Allow);
}

function indexOf({ doing, answer }: Exchange): number {
  const said = answer.headers["x-consul-index"] ?? "";
  const index = Number(said);
  if (/^\d+$/.test(said) && Number.isSafeInteger(index)) return Math.max(index, 1); // with 0 every query would return at once
  throw notConsul(`${doing}: the answer has no header X-Consul-Index`);
}

function sightOf({ headers }: Pick<HttpAnswer, "headers">, hasToken: boolean): Sight {
  if (headers["x-consul-results-filtered-by-acls"] === "true") return "filtered";
  if (headers["x-consul-default-acl-policy"] === "allow") return "whole";
  return hasToken ? "unproven" : "silent";
}

/** Fails if the server itself says that others may know more than it. */
function assertOfLeader({ doing, answer: { headers } }: Exchange): void {
  if (headers["x-consul-knownleader"] === "false")
    throw new RegistryError("RegistryUnreachable", `${doing}: the server knows no leader`, advice.notReady);
  const lagMs = Number(headers["x-consul-lastcontact"] ?? 0);
  if (headers["x-consul-effective-consistency"] !== "stale" && !(lagMs > 0)) return;
  const check =
    "Check the proxies before it, and its discovery_max_stale: the operator asks for the leader's answers.";
  throw new RegistryError("RegistryBadResponse", `${doing}: the answer may be out of date`, check);
}

/** The error for a status other than 200. It does not quote the body, which holds addresses and times. */
function refusalError(exchange: Exchange, text: string, datacenter: string): RegistryError {
  const { doing, answer } = exchange;
  if (!text.includes("No path to datacenter")) return statusError(exchange, advice);
  const detail = `${doing}: HTTP ${answer.status}, no datacenter ${datacenter}`;
  return new RegistryError("RegistryBadResponse", detail, "Check spec.consul.datacenter.");
}

function notConsul(detail: string): RegistryError {
  return new RegistryError("RegistryBadResponse", detail, `Check that spec.address points to ${product}.`);
}
