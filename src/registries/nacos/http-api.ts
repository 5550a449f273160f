import { RegistryError } from "../../model/errors.ts";
import type { HttpAnswer, HttpClient } from "../transport/http-client.ts";
import { httpFailure, notNow } from "../transport/http-error.ts";
import type { NacosServer } from "./address.ts";
import { isTokenRefused, type Login } from "./login.ts";

/** A server that exceeds this time twice in a row is frozen. A list of 12,000 takes 30 ms. Source: measured. */
const timeoutMs = 5_000;
/**
 * 404 and 410: 3.2 and newer, or 3.0 and 3.1 for parts of v1; 501: 2.x without such a path. Source: measured;
 * nacos#12922.
 */
const noSuchApi = new Set([404, 405, 410, 501]);

export type Query = Readonly<Record<string, string>>;

/** GET requests to the HTTP API of one server, with its access token. */
export interface HttpApi {
  readonly server: NacosServer;
  /**
   * The answer, whatever its status. If the server refuses the token, the token is renewed once and the request
   * repeated.
   * @throws RegistryError when there is no answer or no token; the signal's reason.
   */
  get(path: string, query: Query): Promise<HttpAnswer>;
}

/**
 * Sends the token as a header, because access logs keep URLs. It uses both header names, because 1.x knows only
 * `Authorization`. Source: nacos NacosAuthManager (1.x), measured on 2.3.2 (`accessToken`).
 */
export function createHttpApi(http: Pick<HttpClient, "get">, server: NacosServer, login: Login): HttpApi {
  async function send(path: string, query: Query, token: string | undefined): Promise<HttpAnswer> {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}`, accesstoken: token };
    try {
      return await http.get(`${server.baseUrl}${path}?${new URLSearchParams(query).toString()}`, {
        headers,
        timeoutMs,
      });
    } catch (error) {
      throw httpFailure(`GET ${path} at ${server.name}`, error, "a Nacos server");
    }
  }

  return {
    server,
    async get(path, query) {
      const token = await login.token();
      const answer = await send(path, query, token);
      if (!isForbidden(answer) || !isTokenRefused(answer.text)) return answer;
      const newer = await login.renew(token);
      return newer === undefined ? answer : send(path, query, newer);
    },
  };
}

export const isForbidden = ({ status }: HttpAnswer): boolean => status === 401 || status === 403;
export const isNoSuchApi = ({ status }: HttpAnswer): boolean => noSuchApi.has(status);

/** The error for a status other than 200. It does not quote the body, which holds times and user names. */
export function refusalError({ server }: HttpApi, path: string, answer: HttpAnswer): RegistryError {
  const detail = `GET ${path} at ${server.name}: HTTP ${answer.status}`;
  if (isForbidden(answer)) {
    const why = isTokenRefused(answer.text)
      ? "the login is missing or not valid"
      : "the user may not read it";
    const advice =
      "Check username and password in the Secret of spec.secretRef; on Nacos 2 the user needs the right to read :*:naming/*.";
    return new RegistryError("RegistryUnauthorized", `${detail}, ${why}`, advice);
  }
  if (isNoSuchApi(answer)) {
    const advice =
      "Nacos 3.2 and newer have no v1 API: write host:port in spec.address to use gRPC. With an older Nacos check the context path.";
    return new RegistryError("RegistryBadResponse", detail, advice);
  }
  if (notNow.has(answer.status) || /server is (down|starting)/i.test(answer.text)) {
    const advice = "Check that the server is ready.";
    return new RegistryError("RegistryUnreachable", detail, advice);
  }
  return notNacos(detail);
}

/** The error for an unusable answer with status 200; `what` quotes nothing of it. */
export const badAnswer = ({ server }: HttpApi, path: string, what: string): RegistryError =>
  notNacos(`GET ${path} at ${server.name}: ${what}`);

const notNacos = (detail: string): RegistryError =>
  new RegistryError(
    "RegistryBadResponse",
    detail,
    "Check that spec.address points to a Nacos server, and read the server's log.",
  );
