import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";

/** What the API server is told to record: every write, when it arrives and when it is answered. Reads are left out. */
export const auditPolicy = JSON.stringify({
  apiVersion: "audit.k8s.io/v1",
  kind: "Policy",
  rules: [{ level: "None", verbs: ["get", "list", "watch"] }, { level: "Metadata" }],
});

/** One write request as the API server saw it. */
export interface AuditedWrite {
  readonly verb: "create" | "update" | "patch" | "delete" | "deletecollection";
  /** Plural, e.g. `serviceentries`. */
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  readonly user: string;
  readonly userAgent: string;
  /** HTTP status; undefined when the server died before it answered. */
  readonly code: number | undefined;
  /** When it arrived. */
  readonly at: Date;
}

/** Which writes to count: those equal in every given field (`userAgent`: those that start with it), `since` then. */
export type WriteFilter = Partial<Omit<AuditedWrite, "at" | "code">> & { readonly since?: Date };

/** The part of audit.k8s.io/v1 Event that is read here. Source: k8s.io/apiserver/pkg/apis/audit/v1/types.go. */
interface AuditEvent {
  readonly auditID: string;
  readonly stage: "RequestReceived" | "ResponseStarted" | "ResponseComplete" | "Panic";
  readonly verb: AuditedWrite["verb"];
  readonly user: { readonly username: string };
  readonly userAgent?: string;
  readonly objectRef?: {
    readonly resource?: string;
    readonly subresource?: string;
    readonly namespace?: string;
    readonly name?: string;
  };
  readonly responseStatus?: { readonly code?: number };
  readonly requestReceivedTimestamp: string;
}

const ANSWERED = new Set<AuditEvent["stage"]>(["ResponseComplete", "Panic"]);
const ANSWER_MS = 2_000;

/**
 * The writes in an audit log that match, in order of arrival.
 *
 * Exact: a request is recorded before it is served, so every write whose answer the caller has seen is counted. Requests
 * still being served are waited for (2 s at most) to learn their outcome.
 */
export async function readWrites(auditLog: string, filter: WriteFilter = {}): Promise<AuditedWrite[]> {
  const start = performance.now();
  const { received, answered } = await readEvents(auditLog);
  let latest = answered;
  while (![...received.keys()].every((id) => latest.has(id)) && performance.now() - start < ANSWER_MS) {
    await delay(25);
    latest = (await readEvents(auditLog)).answered;
  }
  return [...received]
    .map(([id, event]) => toWrite(latest.get(id) ?? event))
    .filter((write) => matches(write, filter));
}

/** Events by request: as they arrived and as they were answered. */
async function readEvents(auditLog: string) {
  const received = new Map<string, AuditEvent>();
  const answered = new Map<string, AuditEvent>();
  const lines = (await readFile(auditLog, "utf8")).split("\n");
  lines.pop(); // empty, or a line that is being written
  for (const line of lines) {
    const event = JSON.parse(line) as AuditEvent;
    if (event.stage === "RequestReceived") received.set(event.auditID, event);
    else if (ANSWERED.has(event.stage)) answered.set(event.auditID, event);
  }
  return { received, answered };
}

function toWrite(event: AuditEvent): AuditedWrite {
  const { resource = "", subresource = "", namespace = "", name = "" } = event.objectRef ?? {};
  return {
    verb: event.verb,
    resource,
    subresource,
    namespace,
    name,
    user: event.user.username,
    userAgent: event.userAgent ?? "",
    code: event.responseStatus?.code,
    at: new Date(event.requestReceivedTimestamp),
  };
}

function matches(write: AuditedWrite, { since, userAgent, ...equal }: WriteFilter): boolean {
  return (
    (since === undefined || write.at >= since) &&
    (userAgent === undefined || write.userAgent.startsWith(userAgent)) &&
    Object.entries(equal).every(([field, value]) => write[field as keyof AuditedWrite] === value)
  );
}
