import { createHash } from "node:crypto";
import { RegistryError, type RegistryErrorCode } from "../../model/errors.ts";
import type { Problem } from "../../model/problems.ts";
import type { Service, Snapshot } from "../../model/service.ts";
import type { Clock } from "../../runtime/deps.ts";
import type { JsonCursor } from "../../runtime/json-cursor.ts";
import { isSameMap } from "../../runtime/parted-map.ts";
import { inSlices, type Steps } from "../../runtime/slices.ts";
import { type Exchange, readList } from "../transport/answers.ts";
import type { HttpBytes } from "../transport/http-client.ts";
import type { EurekaApi, NoStatus } from "./api.ts";
import { type Interest, readServices } from "./decode.ts";
import type { ServerStatus } from "./server-status.ts";

/**
 * A process may list too little for this long. What it does not fetch from its peers arrives with the clients'
 * renewals, every 30 s, and in its answers 30 s later. Source: measured on Spring Cloud 2025.0, at most 90 s.
 */
const youngMinutes = 2;

/** As a proxy answers, or does not, while something behind it is replaced. */
const passing: ReadonlySet<RegistryErrorCode> = new Set(["RegistryUnreachable", "RegistryBadResponse"]);

/** The knowledge of one watch about one address. */
export class EurekaReader {
  readonly #api: EurekaApi;
  readonly #interest: Interest;
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #processes = new Set<string>();
  /** Of the newest answer; undefined = nothing has been read yet. */
  #status: ServerStatus | NoStatus | undefined;
  #digest: string | undefined;
  #services: ReadonlyMap<string, Service> = new Map();
  #problems: readonly Problem[] | undefined;
  #hasRestarted = false;

  constructor(api: EurekaApi, interest: Interest, clock: Pick<Clock, "monotonic">) {
    this.#api = api;
    this.#interest = interest;
    this.#clock = clock;
  }

  /** How good a first answer is, to choose among peers: one that has just started may list a part only. */
  get rank(): { readonly isYoung: boolean; readonly instances: number } {
    const instances = [...this.#services.values()].map((one) => addressesOf(one).size);
    return { isYoung: isYoung(this.#status), instances: instances.reduce((sum, count) => sum + count, 0) };
  }

  /** Reads everything once; undefined = nothing changed. @throws RegistryError, and is as before; see `mayReadAgain`. */
  async read(): Promise<Snapshot | undefined> {
    const list = () => this.#api.applications((exchange, signal) => this.#decode(exchange, signal));
    const known = this.#status;
    const connections = this.#api.connections();
    const wasOther = known && "process" in known ? this.#isOther(known, await this.#api.status()) : false;
    let { digest, snapshot } = await list();
    const status = await this.#api.status();
    const isOther = known !== undefined && (this.#isOther(known, status) || wasOther);
    // Who answered before the list or after it has made it, unless connections changed twice in between.
    const isAnybodys = this.#api.connections() > connections + 1 && this.#isLess(snapshot);
    if (isOther || isAnybodys) ({ digest, snapshot } = await list());
    if (isOther && this.#isLess(snapshot)) throw this.#lessKnown();
    this.#status = status;
    if ("process" in status) this.#processes.add(status.process);
    if (snapshot === undefined) return undefined;
    const { services, problems } = snapshot;
    const isSame = this.#problems === problems && isSameMap(this.#services, services);
    this.#digest = digest;
    this.#services = services;
    this.#problems = problems;
    return isSame ? undefined : snapshot;
  }

  /**
   * Whether the failure of a read may pass: the next one shows whether the same process still answers, so nothing can
   * have been missed.
   */
  mayReadAgain(error: unknown): boolean {
    const isPassing = error instanceof RegistryError && passing.has(error.code);
    return isPassing && !this.#hasRestarted && this.#status !== undefined && "process" in this.#status;
  }

  /** What an answer lists; no snapshot = it is that of the last time, byte by byte. */
  async #decode(exchange: Exchange<HttpBytes>, signal: AbortSignal): Promise<Answer> {
    const digest = await inSlices(digestOf(exchange.answer.bytes), this.#clock, signal);
    if (digest === this.#digest) return { digest, snapshot: undefined };
    const snapshot = await readList((json) => this.#list(json), exchange, this.#clock, signal);
    return { digest, snapshot };
  }

  *#list(json: JsonCursor): Steps<Snapshot | undefined> {
    const listed = yield* readServices(json, this.#interest, this.#services);
    return listed && { services: listed.services, problems: listed.hasNameless ? someNameless : noProblems };
  }

  /**
   * Whether another process answers than before. It may be a peer, so its list counts unless it lists less. But one
   * that has just started is like a restarted registry, and so is one that no longer tells. @throws RegistryError.
   */
  #isOther(before: ServerStatus | NoStatus, now: ServerStatus | NoStatus): boolean {
    const { name } = this.#api.server;
    if ("missing" in now) {
      if ("missing" in before) return false;
      throw unreachable(
        `GET /status at ${name}, which says whether the server restarted: ${now.missing}`,
        "Check the server's log and the proxies before it.",
      );
    }
    const isNew = !this.#processes.has(now.process);
    this.#hasRestarted = isNew && this.#processes.size > 0 && isYoung(now);
    if (this.#hasRestarted)
      throw unreachable(
        `${name} restarted, or another server that started recently answers there`,
        "The server's list may be incomplete. The operator removes nothing until the list has settled.",
      );
    return "missing" in before || before.process !== now.process;
  }

  #isLess(snapshot: Snapshot | undefined): boolean {
    return snapshot !== undefined && listsLess(this.#services, snapshot.services);
  }

  #lessKnown(): RegistryError {
    return unreachable(
      `another server than before answers at ${this.#api.server.name}, and lists less`,
      "If this persists, the servers behind the address do not replicate to each other: check their peers, and name each server in spec.address.",
    );
  }
}

interface Answer {
  readonly digest: string;
  readonly snapshot: Snapshot | undefined;
}

const digestStepBytes = 1_024 * 1_024;

/** Of an answer, which itself would take too much memory to be kept. */
function* digestOf(bytes: Buffer): Steps<string> {
  const hash = createHash("sha256");
  for (let at = 0; at < bytes.length; at += digestStepBytes) {
    hash.update(bytes.subarray(at, at + digestStepBytes));
    yield;
  }
  return hash.digest("base64");
}

const isYoung = (status: ServerStatus | NoStatus | undefined): boolean =>
  status !== undefined && "process" in status && status.uptimeMinutes < youngMinutes;

const unreachable = (detail: string, advice: string): RegistryError =>
  new RegistryError("RegistryUnreachable", detail, advice);

const noProblems: readonly Problem[] = [];
const someNameless: readonly Problem[] = [
  {
    at: "/apps",
    code: "BadInstance",
    detail: "the server lists an application without a name; remove it",
    severity: "rejected",
  },
];

/** Whether an instance of `before` is missing, though all of its service could be read. */
function listsLess(before: ReadonlyMap<string, Service>, after: ReadonlyMap<string, Service>): boolean {
  return [...before].some(([id, service]) => {
    const now = after.get(id);
    if (now === service || now?.instances === "unknown" || now?.isPartial) return false;
    const left = now === undefined ? new Set() : addressesOf(now);
    return [...addressesOf(service)].some((address) => !left.has(address));
  });
}

function addressesOf({ instances }: Service): ReadonlySet<string> {
  if (instances === "unknown") return new Set();
  return new Set(instances.map(({ address, port }) => `${address} ${port}`));
}
