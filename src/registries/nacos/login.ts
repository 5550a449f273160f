import * as z from "zod";
import { RegistryError } from "../../model/errors.ts";
import type { Credentials } from "../../model/hub.ts";
import type { Deps } from "../../runtime/deps.ts";
import { readAnswer, statusError } from "../transport/answers.ts";
import type { HttpAnswer, HttpClient } from "../transport/http-client.ts";
import { httpFailure, notNow } from "../transport/http-error.ts";
import type { NacosServer } from "./address.ts";

/**
 * 3.x first; a server without this path has the other. Source: measured, 3.1.0 has both, 2.3.2 answers 404 to the
 * first.
 */
const loginPaths = ["/v3/auth/user/login", "/v1/auth/users/login"] as const;
/** No such path: 404, 405 (Spring, for a POST to another path), 410 (3.x), 501 (2.x "no such api"). */
const noSuchPath = new Set([404, 405, 410, 501]);
/** Between tries to renew a token that is still good. */
const retryMs = 30_000;
/** A younger token is not refused for its age, so a new one would not help. */
const newTokenMs = 10_000;

/** What a header can carry. */
const headerText = /^[\x21-\x7e]+$/;

const grant = z.object({
  accessToken: z.string().regex(headerText),
  /** Seconds. */
  tokenTtl: z.number().positive(),
});

/** The access token for one server. All servers of a cluster accept it while they share a key. */
export interface Login {
  /**
   * The token to send now; undefined = none is configured. Logs in at the first call, and again before the token
   * expires, which nobody waits for while it is good.
   * @throws RegistryError: RegistryUnauthorized when the server refuses the login, RegistryUnreachable,
   * SecretInvalid.
   */
  token(): Promise<string | undefined>;
  /**
   * Returns a newer token after the server refused `refused`; undefined = there is none, because the Secret has only
   * a token or the login was just now. @throws as `token`.
   */
  renew(refused: string | undefined): Promise<string | undefined>;
}

/** Whether a 403 is about the token and not about a missing right. Source: measured on 2.3.2 and 3.1.0. */
export const isTokenRefused = (message: string): boolean => /token|user not found/i.test(message);

interface Token {
  readonly text: string;
  /** Monotonic ms. */
  readonly issuedAt: number;
  readonly renewAt: number;
  readonly expiresAt: number;
}

/**
 * Logs in with username and password, which are sent only in the request's body. Without them the Secret's `token` is
 * the token. Concurrent calls share one login.
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
  let triedAt = Number.NEGATIVE_INFINITY;

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

  return {
    async token() {
      const now = clock.monotonic();
      if (current === undefined || now >= current.expiresAt) return (await fresh()).text;
      if (now >= current.renewAt && now >= triedAt + retryMs) {
        triedAt = now;
        fresh().catch(() => undefined); // the token is still good; once it is not, whoever asks is told
      }
      return current.text;
    },
    async renew(refused) {
      if (current !== undefined && current.text !== refused) return current.text;
      if (current !== undefined && clock.monotonic() - current.issuedAt < newTokenMs) return undefined;
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
 * Reads the answer of a login. A status outside 2xx is a refusal, unless a server or a proxy says it of anything:
 * servers answer 403, 412 (no admin yet) and 500 to a wrong user or password, depending on the version.
 * Source: measured on 2.3.2 and 3.1.0.
 */
function readGrant(answer: HttpAnswer, server: NacosServer): z.output<typeof grant> {
  const { status } = answer;
  const exchange = { doing: `login at ${server.name}`, product: "a Nacos server", answer };
  const isRedirect = status >= 300 && status < 400;
  if (isRedirect || notNow.has(status) || noSuchPath.has(status)) throw statusError(exchange);
  if (status >= 200 && status < 300) return readAnswer(grant, exchange);
  const advice = "Check username and password in the Secret of spec.secretRef.";
  const detail = `${exchange.doing}: the server refused it (HTTP ${status})`;
  throw new RegistryError("RegistryUnauthorized", detail, advice);
}

function usable(token: string | undefined): string | undefined {
  if (token === undefined || headerText.test(token)) return token;
  const advice = "Remove blanks and line breaks from the token.";
  throw new RegistryError(
    "SecretInvalid",
    "the token in the Secret has characters that an HTTP header cannot carry",
    advice,
  );
}

function incomplete(): RegistryError {
  const advice = "Set both to log in, or neither.";
  return new RegistryError("SecretInvalid", "the Secret has only one of username and password", advice);
}
