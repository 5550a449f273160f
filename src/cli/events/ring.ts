import type { Change, Changes } from "../../model/change.ts";
import { registryTypes } from "../../model/hub.ts";
import { countOf, fieldsOf, listOf, textOf } from "../../translate/read-back/json.ts";

const timeoutMs = 3_000;

/** Asks for the changes after a number. The answer in words = there are none to be had there. */
export type AskForChanges = (after: number, signal: AbortSignal) => Promise<Changes | string>;

/** Asks whoever listens at a port of this machine: an operator here, or one at the end of a port-forward. */
export function askerAt(port: number): AskForChanges {
  const place = `127.0.0.1:${port}`;
  return async (after, signal) => {
    let answer: unknown;
    try {
      const response = await fetch(`http://${place}/changes?after=${after}`, {
        redirect: "error",
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      });
      if (!response.ok) return `${place} answers ${response.status} to GET /changes`;
      answer = await response.json();
    } catch (error) {
      if (error instanceof SyntaxError) return `what listens at ${place} is no operator`;
      return `no operator answers at ${place}`;
    }
    return readChanges(answer) ?? `what listens at ${place} is no operator`;
  };
}

/** Reads an answer, which may be anybody's; undefined = it is none of an operator. */
export function readChanges(answer: unknown): Changes | undefined {
  const { identity, lease, since, forgotten, last, changes } = fieldsOf(answer);
  if (typeof identity !== "string" || typeof lease !== "string" || !Array.isArray(changes)) return undefined;
  return {
    identity,
    lease,
    since: textOf(since) ?? "",
    forgotten: countOf(forgotten) ?? 0,
    last: countOf(last) ?? 0,
    changes: listOf(changes).map(readChange),
  };
}

/** A field that is not as it should be is empty. */
function readChange(value: unknown): Change {
  const { seq, at, hub, registry, host, endpoint, what, why, others } = fieldsOf(value);
  const more = listOf(others).flatMap((key) => textOf(key) ?? []);
  return {
    seq: countOf(seq) ?? 0,
    at: textOf(at) ?? "",
    hub: textOf(hub) ?? "",
    ...(more.length > 0 && { others: more }),
    registry: registryTypes.find((type) => type === registry) ?? "",
    host: textOf(host) ?? "",
    endpoint: textOf(endpoint) ?? "",
    what: textOf(what) ?? "",
    why: textOf(why) ?? "",
  };
}
