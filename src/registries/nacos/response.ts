import * as z from "zod";
import { mapOf, parseJson } from "../../runtime/json.ts";
import type { Payload } from "./payload.ts";

/** The fields of the answer, or why there are none. `message` is the server's, and not to be repeated. */
export type NacosResponse =
  | { readonly isOk: true; readonly body: unknown }
  | { readonly isOk: false; readonly code: number; readonly message: string };

/**
 * Why a request was refused; `starting` and `configMissing` are the same code, of different answers.
 * Source: alibaba/nacos, NacosException, ErrorCode; `noAnswer` is ours.
 */
export const errorCodes = {
  noAnswer: 0,
  starting: 300,
  configMissing: 300,
  unregistered: 301,
  forbidden: 403,
  disconnected: -401,
  fuzzyWatchLimits: [50_310, 50_311],
} as const;

const form = z.object({
  resultCode: z.number().default(200),
  errorCode: z.number().default(0),
  message: z.string().nullish(),
});

/** Reads an answer; undefined = it is malformed. */
export function readResponse({ body: text }: Payload): NacosResponse | undefined {
  const body = parseJson(text);
  const { data } = form.safeParse(body);
  if (data === undefined) return undefined;
  const { resultCode, errorCode, message } = data;
  if (resultCode === 200) return { isOk: true, body };
  return { isOk: false, code: errorCode === 0 ? resultCode : errorCode, message: message ?? "" };
}

/** What the answer says of the connection, whatever the request was; undefined = nothing. */
export function connectionVerdict(type: string, response: NacosResponse): string | undefined {
  if (response.isOk) return undefined;
  const { starting, unregistered, disconnected } = errorCodes;
  if (response.code === starting && type === "ErrorResponse") return "the server is starting";
  const isUnknown = response.code === unregistered || response.code === disconnected;
  return isUnknown ? "the server no longer knows the connection" : undefined;
}

const serverCheck = z.object({ supportAbilityNegotiation: z.boolean().nullish() });
const setupAck = z.object({ abilityTable: mapOf(z.boolean()) });

/** Whether the server will acknowledge the set-up. Source: absent on 2.0.3, true on 2.3.2 and 3.1.0. */
export function negotiates(check: unknown): boolean {
  return serverCheck.safeParse(check).data?.supportAbilityNegotiation === true;
}

/** The server's optional features, in its acknowledgement of the set-up. */
export function abilitiesIn(acknowledgement: unknown): ReadonlySet<string> {
  const { abilityTable = {} } = setupAck.safeParse(acknowledgement).data ?? {};
  return new Set(Object.keys(abilityTable).filter((name) => abilityTable[name]));
}
