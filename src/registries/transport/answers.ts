import type * as z from "zod";
import { RegistryError } from "../../model/errors.ts";
import { parseJson } from "../../runtime/json.ts";
import type { HttpAnswer } from "./http-client.ts";
import { redirectAdvice } from "./http-error.ts";

/** A request and its answer, as far as messages name them. Nothing of the body is quoted: it may hold secrets and times. */
export interface Exchange {
  /** "GET /apps at eureka:8761". */
  readonly doing: string;
  /** What should answer, as messages name it: "a Eureka server". */
  readonly product: string;
  readonly answer: Pick<HttpAnswer, "status" | "headers" | "text" | "redirectedTo">;
}

/** What a person has to check, where a registry knows better than this table. */
export interface StatusAdvice {
  /** 401 and 403. */
  readonly unauthorized?: string;
  /** 404, 405, 410 and 501: no such path. */
  readonly notFound?: string;
  /** 429 and 5xx: not now. */
  readonly notReady?: string;
}

const noSuchPath: ReadonlySet<number> = new Set([404, 405, 410, 501]);

/** What a status other than 200 means for the registry: one table for all types. */
export function statusError(exchange: Exchange, advice: StatusAdvice = {}): RegistryError {
  const { product, answer } = exchange;
  const { status, headers } = answer;
  const detail = `${describe(exchange)}: HTTP ${status}`;
  if (status === 401 || status === 403) {
    const why = status === 401 ? "the login is missing or not valid" : "the account may not read it";
    const check = advice.unauthorized ?? "Check the login in the Secret of spec.secretRef.";
    return new RegistryError("RegistryUnauthorized", `${detail}, ${why}`, check);
  }
  if (noSuchPath.has(status)) {
    const check = advice.notFound ?? `Check that spec.address points to ${product}, and its path.`;
    return new RegistryError("RegistryBadResponse", detail, check);
  }
  if (status === 429 || status >= 500) {
    const check = advice.notReady ?? "Check that the server is ready, and read its log.";
    return new RegistryError("RegistryUnreachable", detail, check);
  }
  const to = status >= 300 && status < 400 ? URL.parse(headers.location ?? "")?.origin : undefined;
  return to === undefined
    ? badAnswer(exchange, `HTTP ${status}`)
    : new RegistryError("RegistryBadResponse", `${detail}, redirected to ${to}`, redirectAdvice);
}

/** The error for an answer that is of no use, whatever its status; `what` quotes nothing of it. */
export function badAnswer(exchange: Exchange, what: string): RegistryError {
  const advice = `Check that spec.address points to ${exchange.product}, and check the proxies before it.`;
  return new RegistryError("RegistryBadResponse", `${describe(exchange)}: ${what}`, advice);
}

/** What an answer says, in the form of `schema`. @throws RegistryError RegistryBadResponse. */
export function readAnswer<T>(schema: z.ZodType<T>, exchange: Exchange): T {
  const said = parseJson(exchange.answer.text);
  if (said === undefined) throw badAnswer(exchange, "the answer is not JSON");
  const { success, data } = schema.safeParse(said);
  if (!success) throw badAnswer(exchange, `the answer does not have the form of ${exchange.product}'s`);
  return data;
}

const describe = ({ doing, answer: { redirectedTo } }: Exchange): string =>
  redirectedTo === undefined ? doing : `${doing}, redirected to ${redirectedTo}`;
