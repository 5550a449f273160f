import type * as z from "zod";
import { RegistryError } from "../../model/errors.ts";
import type { Clock } from "../../runtime/deps.ts";
import { parseJson, TooMuchListedError } from "../../runtime/json.ts";
import { JsonCursor, NotJsonError } from "../../runtime/json-cursor.ts";
import { inSlices, type Steps } from "../../runtime/slices.ts";
import type { HttpAnswer, HttpBytes, HttpHead } from "./http-client.ts";
import { redirectAdvice } from "./http-error.ts";

/** A request and its answer, as far as messages name them. Nothing of the body is quoted: it may hold secrets and times. */
export interface Exchange<A extends HttpHead = HttpHead> {
  /** "GET /apps at eureka:8761". */
  readonly doing: string;
  /** What should answer, as messages name it: "a Eureka server". */
  readonly product: string;
  readonly answer: A;
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
export function readAnswer<T>(schema: z.ZodType<T>, exchange: Exchange<HttpAnswer>): T {
  const said = parseJson(exchange.answer.text);
  if (said === undefined) throw badAnswer(exchange, "the answer is not JSON");
  const { success, data } = schema.safeParse(said);
  if (!success) throw oddAnswer(exchange);
  return data;
}

/** Reads JSON that is nothing else than what it reads; undefined = it has another form. */
export type ReadSteps<T> = (json: JsonCursor) => Steps<T | undefined>;

/**
 * As `readAnswer`, of a list that may be large: it gives the event loop its turn, and makes nothing of what `read` does
 * not ask for. @throws RegistryError RegistryBadResponse, also of a list that is too long; the signal's reason.
 */
export async function readList<T>(
  read: ReadSteps<T>,
  exchange: Exchange<HttpBytes>,
  clock: Pick<Clock, "monotonic">,
  signal?: AbortSignal,
): Promise<T> {
  let said: T | undefined;
  try {
    said = await inSlices(read(new JsonCursor(exchange.answer.bytes)), clock, signal);
  } catch (error) {
    if (error instanceof NotJsonError) throw badAnswer(exchange, "the answer is not JSON");
    if (error instanceof TooMuchListedError) throw badAnswer(exchange, error.message);
    throw error;
  }
  if (said === undefined) throw oddAnswer(exchange);
  return said;
}

const oddAnswer = (exchange: Exchange): RegistryError =>
  badAnswer(exchange, `the answer does not have the form of ${exchange.product}'s`);

const describe = ({ doing, answer: { redirectedTo } }: Exchange): string =>
  redirectedTo === undefined ? doing : `${doing}, redirected to ${redirectedTo}`;
