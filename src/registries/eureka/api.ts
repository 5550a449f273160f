import { RegistryError } from "../../model/errors.ts";
import type { Credentials } from "../../model/hub.ts";
import type { HttpAnswer, HttpClient } from "../transport/http-client.ts";
import { httpFailure, notNow } from "../transport/http-error.ts";
import type { HttpServer } from "../transport/servers.ts";
import { parseStatus, type ServerStatus } from "./server-status.ts";

/** The requests to one Eureka server. @throws RegistryError when there is no answer; the signal's reason. */
export interface EurekaApi {
  readonly server: HttpServer;
  /** Every application with every instance, as JSON. @throws RegistryError when the answer is anything else. */
  applications(): Promise<string>;
  /** undefined = this server does not report its status. */
  status(): Promise<ServerStatus | undefined>;
}

const applicationsPath = "/apps";

/**
 * Sends the login as a header. Asks for the status as XML, because JSON gets an error 500. Source: measured on Spring
 * Cloud 2025.0.
 */
export function createEurekaApi(
  http: Pick<HttpClient, "get">,
  server: HttpServer,
  credentials: Credentials,
): EurekaApi {
  const authorization = basicLogin(credentials);
  const get = async (path: string, accept: string): Promise<HttpAnswer> => {
    try {
      return await http.get(`${server.baseUrl}${path}`, { headers: { accept, ...authorization } });
    } catch (error) {
      throw httpFailure(`GET ${path} at ${server.name}`, error, "a Eureka server");
    }
  };
  const api: EurekaApi = {
    server,
    async applications() {
      const answer = await get(applicationsPath, "application/json");
      const { status, headers, text } = answer;
      if (status === 403 && (await api.status()) !== undefined) throw notYet(server);
      if (status !== 200) throw refusalError(server, status);
      if (/xml/i.test(headers["content-type"] ?? ""))
        throw badAnswer(server, "the answer is XML, but the operator asked for JSON");
      return text;
    },
    async status() {
      const { status, text } = await get("/status", "application/xml");
      return status === 200 ? parseStatus(text) : undefined;
    },
  };
  return api;
}

function basicLogin({ username = "", password = "" }: Credentials): { readonly authorization?: string } {
  if (username === "" && password === "") return {};
  return { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}` };
}

const failed = (server: HttpServer): string => `GET ${applicationsPath} at ${server.name}`;

/**
 * Netflix' server lists nothing until its peers have filled it or 5 minutes have passed. Until then it answers 403,
 * as it would to a user without the right to read; but it reports its status. Source: Netflix/eureka,
 * PeerAwareInstanceRegistryImpl.shouldAllowAccess; measured on Spring Cloud 2025.0 with defaultOpenForTrafficCount=0.
 */
function notYet(server: HttpServer): RegistryError {
  const advice =
    "The server lists nothing until its peers have filled it or 5 minutes have passed. If the error persists, check the rights of the user in the Secret of spec.secretRef.";
  return new RegistryError(
    "RegistryUnreachable",
    `${failed(server)}: HTTP 403, the server is starting`,
    advice,
  );
}

/** The error for a status other than 200. */
function refusalError(server: HttpServer, status: number): RegistryError {
  const detail = `${failed(server)}: HTTP ${status}`;
  if (status === 401 || status === 403) {
    const advice = "Check username and password in the Secret of spec.secretRef.";
    const why = status === 401 ? "the login is missing or not valid" : "the user may not read it";
    return new RegistryError("RegistryUnauthorized", `${detail}, ${why}`, advice);
  }
  if (notNow.has(status)) {
    const advice = "Check that the server is ready.";
    return new RegistryError("RegistryUnreachable", detail, advice);
  }
  const advice =
    status === 404
      ? "Check the path of spec.address: it is /eureka for Spring Cloud's server, /eureka/v2 for Netflix' own."
      : "Check that spec.address points to a Eureka server, and read the server's log.";
  return new RegistryError("RegistryBadResponse", detail, advice);
}

/** The error for an unusable answer with status 200; `what` quotes nothing of it. */
export function badAnswer(server: HttpServer, what: string): RegistryError {
  const advice =
    "Check that spec.address points to a Eureka server, and check the proxies between it and the operator.";
  return new RegistryError("RegistryBadResponse", `${failed(server)}: ${what}`, advice);
}
