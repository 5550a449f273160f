import { RegistryError } from "../../model/errors.ts";
import type { Credentials } from "../../model/hub.ts";
import { badAnswer, type Exchange, statusError } from "../transport/answers.ts";
import type { HttpBytes, HttpClient } from "../transport/http-client.ts";
import { httpFailure } from "../transport/http-error.ts";
import type { HttpServer } from "../transport/servers.ts";
import { parseStatus, type ServerStatus } from "./server-status.ts";

/** Why there is no status, in a few words. */
export interface NoStatus {
  readonly missing: string;
}

/** The requests to one Eureka server. @throws RegistryError; the signal's reason. */
export interface EurekaApi {
  readonly server: HttpServer;
  /** As in HttpClient. */
  connections(): number;
  /**
   * What `use` makes of every application with every instance, which is in memory only until then, as JSON. @throws
   * RegistryError when the answer is anything else; what `use` throws.
   */
  applications<T>(use: (exchange: Exchange<HttpBytes>, signal: AbortSignal) => Promise<T>): Promise<T>;
  /** What the server says of its own process. Never a RegistryError, because a proxy may well hide the status. */
  status(): Promise<ServerStatus | NoStatus>;
}

const product = "a Eureka server";
/** A server that answers `/apps` has this much time for its status, which has two kilobytes. */
const statusMs = 5_000;
const statusMaxBytes = 1_024 * 1_024;

/**
 * Sends the login as a header. Asks for the status as XML, because JSON gets an error 500. Source: measured on Spring
 * Cloud 2025.0. `listMs` limits the time for a list; default: that of the client.
 */
export function createEurekaApi(
  http: Pick<HttpClient, "connections" | "get" | "getList">,
  server: HttpServer,
  credentials: Credentials,
  listMs?: number,
): EurekaApi {
  const headers = basicLogin(credentials);
  const named = (path: string): string => `GET ${path} at ${server.name}`;
  const status = async (): Promise<ServerStatus | NoStatus> => {
    const limits = { timeoutMs: statusMs, maxBytes: statusMaxBytes };
    const options = { headers, askAgain: true, accept: "application/xml", ...limits };
    try {
      const answer = await http.get(`${server.baseUrl}/status`, options).catch(explained(named("/status")));
      if (answer.status !== 200) return { missing: `HTTP ${answer.status}` };
      return parseStatus(answer.text) ?? { missing: "the answer is not that of a Eureka server" };
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      return { missing: error.detail };
    }
  };
  return {
    server,
    connections: () => http.connections(),
    status,
    async applications(use) {
      const doing = named("/apps");
      const options = { headers, askAgain: true, isOfFleet: true, ...(listMs && { timeoutMs: listMs }) };
      const read = async (answer: HttpBytes, signal: AbortSignal) => {
        const exchange = { doing, product, answer };
        if (answer.status === 403 && !("missing" in (await status()))) throw notYet(exchange);
        if (answer.status !== 200) throw statusError(exchange, advice);
        if (/xml/i.test(answer.headers["content-type"] ?? ""))
          throw badAnswer(exchange, "the answer is XML, but the operator asked for JSON");
        return use(exchange, signal);
      };
      return http.getList(`${server.baseUrl}/apps`, options, read).catch(explained(doing));
    },
  };
}

const explained =
  (doing: string) =>
  (error: unknown): never => {
    throw httpFailure(doing, error, product);
  };

function basicLogin({ username = "", password = "" }: Credentials): { readonly authorization?: string } {
  if (username === "" && password === "") return {};
  return { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}` };
}

const advice = {
  unauthorized: "Check username and password in the Secret of spec.secretRef.",
  notFound:
    "Check the path of spec.address: it is /eureka for Spring Cloud's server, /eureka/v2 for Netflix' own.",
};

/**
 * Netflix' server lists nothing until its peers have filled it or 5 minutes have passed. Until then it answers 403,
 * as it would to a user without the right to read; but it reports its status. Source: Netflix/eureka,
 * PeerAwareInstanceRegistryImpl.shouldAllowAccess; measured on Spring Cloud 2025.0 with defaultOpenForTrafficCount=0.
 */
function notYet({ doing }: Exchange): RegistryError {
  const wait =
    "The server lists nothing until its peers have filled it or 5 minutes have passed. If the error persists, check the rights of the user in the Secret of spec.secretRef.";
  return new RegistryError("RegistryUnreachable", `${doing}: HTTP 403, the server is starting`, wait);
}
