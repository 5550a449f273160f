import * as z from "zod";
import { RegistryError } from "../../model/errors.ts";
import type { Credentials } from "../../model/hub.ts";
import type { Deps } from "../../runtime/deps.ts";
import type { HttpAnswer, HttpClient } from "../../runtime/http-client.ts";
import { httpFailure, notNow } from "../../runtime/http-error.ts";
import { readJson } from "../json.ts";
import type { NacosServer } from "./address.ts";

/** 3.x first; a server without it knows the other. Source: measured, 3.1.0 has both, 2.3.2 answers 404 to the first. */
const loginPaths = ["/v3/auth/user/login", "/v1/auth/users/login"] as const;
/** No such path: 404, 405 (Spring's word for a POST to a path it has none for), 410 (3.x), 501 (2.x "no such api"). */
const noSuchPath = new Set([404, 405, 410, 501]);
/** A token that is younger is not refused for its age, so another one would be of no use. */
const freshMs = 10_000;

/** What a header can carry. */
const headerText = /^[\x21-\x7e]+$/;

const grant = z.object({
  accessToken: z.string().regex(headerText),
  /** Seconds. */
  tokenTtl: z.number().positive(),
});

/** The access token for one server. The token of one is good for all of a cluster, but only while they share a key. */
export interface Login {
  /**
   * The token to send now; undefined = none is configured. Logs in at the first call and again before the token
   * expires.
   * @throws RegistryError: RegistryUnauthorized when the login is refused, RegistryUnreachable, SecretInvalid.
   */
  token(): Promise<string | undefined>;
  /**
   * After `refused` was: a newer token; undefined = there is none to be had, because the Secret has just a token or the
   * login was only just now. @throws as `token`.
   */
  renew(refused: string | undefined): Promise<string | undefined>;
}

/** Whether a 403 says that the token is the reason, and not a missing right. Source: measured on 2.3.2 and 3.1.0. */
export const isTokenRefused = (message: string): boolean => /token|user not found/i.test(message);

interface Token {
  readonly text: string;
  /** Monotonic ms. */
  readonly issuedAt: number;
  readonly renewAt: number;
  readonly expiresAt: number;
}

/**
 * Logs in with username and password, which go into the request's body and nowhere else; without them the Secret's
 * `token` is the token. Calls at the same time share one login.
 */
export function createLogin(
  http: Pick<HttpClient, "postForm">,
  server: NacosServer,
  { username, password, token: fixed }: Credentials,
  { clock, random }: Pick<Deps, "clock" | "random">,
): Login {
  if (username === undefined && password === undefined) {
    return { token: async () => usable(fixed), renew: () => Promise.resolve(undefined) };
  }
  let current: Token | undefined;
  let running: Promise<Token> | undefined;
  let paths: readonly string[] = loginPaths;

  async function logIn(): Promise<Token> {
    if (username === undefined || password === undefined) throw incomplete();
    for (const path of paths) {
      const answer = await post(http, server, path, { username, password });
      if (noSuchPath.has(answer.status) && path !== paths.at(-1)) continue;
      const { accessToken, tokenTtl } = readGrant(answer, server);
      paths = [path];
      const issuedAt = clock.monotonic();
      const renewAt = issuedAt + tokenTtl * 1_000 * (0.8 + random() / 10);
      return { text: accessToken, issuedAt, renewAt, expiresAt: issuedAt + tokenTtl * 1_000 };
    }
    throw new Error("there is no login path");
  }

  async function fresh(): Promise<Token> {
    running ??= logIn().finally(() => {
      running = undefined;
    });
    current = await running;
    return current;
  }

  /** A token that is still good outlives a server that cannot be asked for the next one. */
  async function renewed(old: Token): Promise<Token> {
    try {
      return await fresh();
    } catch (error) {
      const isAway = error instanceof RegistryError && error.code === "RegistryUnreachable";
      if (isAway && clock.monotonic() < old.expiresAt) return old;
      throw error;
    }
  }

  return {
    async token() {
      if (current === undefined) return (await fresh()).text;
      return clock.monotonic() < current.renewAt ? current.text : (await renewed(current)).text;
    },
    async renew(refused) {
      if (current !== undefined && current.text !== refused) return current.text;
      if (current !== undefined && clock.monotonic() - current.issuedAt < freshMs) return undefined;
      return (await fresh()).text;
    },
  };
}

async function post(
  http: Pick<HttpClient, "postForm">,
  server: NacosServer,
  path: string,
  fields: Readonly<Record<string, string>>,
): Promise<HttpAnswer> {
  try {
    return await http.postForm(`${server.baseUrl}${path}`, fields);
  } catch (error) {
    throw httpFailure(`login at ${server.name}`, error, "a Nacos server");
  }
}

/**
 * Whatever is not 2xx is a refusal: servers answer 403, 412 (no admin yet) and 500 to a wrong user or password, each
 * version differently. The body is not repeated, for it names the user.
 * Source: measured on 2.3.2 and 3.1.0.
 */
function readGrant({ status, headers, text }: HttpAnswer, server: NacosServer): z.output<typeof grant> {
  const login = `login at ${server.name}`;
  if (notNow.has(status)) {
    const advice = "Check that the server is ready.";
    throw new RegistryError("RegistryUnreachable", `${login}: HTTP ${status}`, advice);
  }
  if (status >= 300 && status < 400) throw redirected(login, server, headers.location);
  if (noSuchPath.has(status)) {
    const advice = "Check that spec.address is that of a Nacos server, and its context path.";
    throw new RegistryError("RegistryBadResponse", `${login}: there is no login (HTTP ${status})`, advice);
  }
  if (status < 200 || status >= 300) {
    const advice = "Check username and password in the Secret of spec.secretRef.";
    throw new RegistryError("RegistryUnauthorized", `${login} was refused (HTTP ${status})`, advice);
  }
  const granted = readJson(grant, text);
  if (granted !== undefined) return granted;
  const advice = "Check that spec.address is that of a Nacos server, and its context path.";
  throw new RegistryError("RegistryBadResponse", `${login}: the answer holds no access token`, advice);
}

function redirected(login: string, server: NacosServer, location: string | undefined): RegistryError {
  const to = URL.parse(location ?? "", server.baseUrl)?.origin ?? "nowhere";
  const advice = "A password is not sent along; write the address that it redirects to into spec.address.";
  return new RegistryError("RegistryBadResponse", `${login}: redirected to ${to}`, advice);
}

function usable(token: string | undefined): string | undefined {
  if (token === undefined || headerText.test(token)) return token;
  const advice = "Check for blanks and line breaks in it.";
  throw new RegistryError("SecretInvalid", "the token in the Secret is not one word", advice);
}

function incomplete(): RegistryError {
  const advice = "A login needs both; without a login leave both out.";
  return new RegistryError("SecretInvalid", "the Secret has only one of username and password", advice);
}
