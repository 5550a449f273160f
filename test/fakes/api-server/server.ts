import type { Clock } from "../../../src/runtime/deps.ts";
import { type Answer, forbidden, Refusal, typeMissing } from "./answer.ts";
import { createCollections } from "./collections.ts";
import { createCore, rendered } from "./core.ts";
import { createHistory } from "./history.ts";
import { createPerson, type Person } from "./person.ts";
import type { ApiRequest } from "./request.ts";
import { type ApiType, apiTypes, isCustom, type Stored } from "./types.ts";
import type { WatchStream } from "./watch-stream.ts";

/**
 * Stands between a request and the server, outermost the newest: returns another answer, waits, asks `next` and loses what
 * it said, or throws, as a broken connection does.
 */
export type Interceptor = (request: ApiRequest, next: () => Promise<Answer>) => Promise<Answer> | Answer;

/** Which requests something is about; a field that is absent says nothing. */
export type RequestFilter = Partial<
  Pick<ApiRequest, "verb" | "resource" | "subresource" | "namespace" | "name" | "user" | "manager">
>;

/** One request that came in, and how it was answered. */
export interface Logged extends ApiRequest {
  /** HTTP status; undefined while there is no answer, or when there never was one. */
  code: number | undefined;
  /** When it came: wall time in ms. */
  readonly at: number;
}

/** What a test has held back. */
export interface Gate {
  /** Requests that wait here. */
  readonly waiting: readonly ApiRequest[];
  /** Lets go of all that wait, and holds nothing any more. */
  open(): void;
}

/**
 * A Kubernetes API server in memory, as far as this project asks anything of one. It passes test/cluster as the real one
 * does. It has no schema: beside names and ports nothing is validated, so what a CRD would refuse is for the test to refuse.
 */
export interface FakeApiServer {
  /** What a front, in process or of HTTP, hands on. @throws what an interceptor throws: a connection that broke. */
  handle(request: ApiRequest): Promise<Answer>;
  /** As somebody with all rights, at once, and past all interceptors. */
  readonly person: Person;
  /** The same, with a field manager of another name. */
  as(manager: string): Person;
  /** Every request that came by `handle`, in order. */
  readonly requests: readonly Logged[];
  /** Begins `requests` anew, because a day has millions. */
  forgetRequests(): void;
  /** Those that wanted to change something. */
  writes(filter?: RequestFilter): readonly Logged[];
  /** Returns how to take it away again. */
  intercept(interceptor: Interceptor): () => void;
  /** Answers these requests with something else. Returns how to end that. */
  refuse(filter: RequestFilter, answer: (request: ApiRequest) => Answer): () => void;
  /** Says who may do what. Returns how to end that. */
  authorize(isAllowed: (request: ApiRequest) => boolean): () => void;
  /** Takes a right away. */
  forbid(filter: RequestFilter): () => void;
  /** These requests take so much longer; on the server's clock. */
  slow(filter: RequestFilter, ms: number): () => void;
  /** These requests arrive and are not served before the gate opens. */
  hold(filter: RequestFilter): Gate;
  /** No connection can be made, and those that exist break. Returns how to end that. */
  goDown(): () => void;
  /** Watches that are open. */
  watches(resource?: string): readonly WatchStream[];
  /** The types of custom resources are there from the beginning; without their CRDs there are none. */
  installCrds(): void;
  removeCrds(group?: string): void;
  /** Forgets all changes: a watch or a page from before is too old. */
  compact(): void;
}

export function createFakeApiServer(clock: Clock): FakeApiServer {
  const missing = new Set<string>();
  const interceptors: Interceptor[] = [];
  const requests: Logged[] = [];
  const history = createHistory((change) => collections.changed(change));
  const collections = createCollections(() => history, clock);
  const typeOf = (plural: string): ApiType => {
    const found = apiTypes.find((type) => type.plural === plural);
    if (found === undefined) throw new Error(`the fake API server does not know ${plural}`);
    return found;
  };
  const core = createCore(history, typeOf("namespaces"), clock.now);

  /** What the server itself says, without anything between. */
  function serve(request: ApiRequest): Answer {
    const type = apiTypes.find(({ plural, group }) => plural === request.resource && group === request.group);
    const isServed = type?.versions.includes(request.version) && !missing.has(type.group);
    if (type === undefined || !isServed) return typeMissing();
    try {
      if (request.verb === "list") return collections.list(request, type);
      if (request.verb === "watch") return collections.watch(request, type);
      const answer = core[request.verb](request, type);
      const isStatus = (answer.body as Stored).kind === "Status";
      return isStatus
        ? answer
        : { ...answer, body: rendered(type, request.version, answer.body as Stored, false) };
    } catch (error) {
      if (error instanceof Refusal) return error.answer;
      throw error;
    }
  }

  function exists({ resource, namespace, name }: ApiRequest): boolean {
    const type = apiTypes.find(({ plural }) => plural === resource);
    return type !== undefined && history.objects(type).has(namespace === "" ? name : `${namespace}/${name}`);
  }

  async function through(request: ApiRequest, at: number): Promise<Answer> {
    const interceptor = interceptors[at];
    return interceptor === undefined ? serve(request) : interceptor(request, () => through(request, at + 1));
  }

  function intercept(interceptor: Interceptor): () => void {
    interceptors.unshift(interceptor);
    return () => {
      const at = interceptors.indexOf(interceptor);
      if (at >= 0) interceptors.splice(at, 1);
    };
  }

  /** To apply what does not exist is to create it, and asks for that right as well. */
  function authorize(isAllowed: (request: ApiRequest) => boolean): () => void {
    return intercept((request, next) => {
      const creates = { ...request, verb: "create" as const };
      const isNew = request.verb === "patch" && request.subresource === "" && !exists(request);
      const denied = isAllowed(request) ? (isNew && !isAllowed(creates) ? creates : undefined) : request;
      return denied === undefined ? next() : forbidden(denied);
    });
  }

  const personOf = (manager: string): Person => createPerson({ manager, serve, typeOf, history });

  return {
    async handle(request) {
      const logged: Logged = { ...request, code: undefined, at: clock.now() };
      requests.push(logged);
      const answer = await through(request, 0);
      logged.code = answer.code;
      return answer;
    },
    person: personOf("kubectl-edit"),
    as: personOf,
    requests,
    forgetRequests: () => void requests.splice(0),
    writes: (filter = {}) =>
      requests.filter((one) => !["get", "list", "watch"].includes(one.verb) && matches(one, filter)),
    intercept,
    refuse: (filter, answer) =>
      intercept((request, next) => (matches(request, filter) ? answer(request) : next())),
    authorize,
    forbid: (filter) => authorize((request) => !matches(request, filter)),
    slow: (filter, ms) =>
      intercept(async (request, next) => {
        if (matches(request, filter)) await clock.sleep(ms, new AbortController().signal);
        return next();
      }),
    hold(filter) {
      const waiting: ApiRequest[] = [];
      const opened = Promise.withResolvers<void>();
      const end = intercept(async (request, next) => {
        if (matches(request, filter)) {
          waiting.push(request);
          await opened.promise;
        }
        return next();
      });
      return {
        waiting,
        open() {
          end();
          opened.resolve();
        },
      };
    },
    goDown() {
      for (const stream of collections.open()) stream.end(connectionError("ECONNRESET", "socket hang up"));
      return intercept(() => {
        throw connectionError("ECONNREFUSED", "connect ECONNREFUSED");
      });
    },
    watches: (resource) => collections.open(resource),
    installCrds: () => missing.clear(),
    removeCrds(group) {
      const gone = apiTypes.filter((type) => isCustom(type) && (group === undefined || type.group === group));
      for (const type of gone) {
        missing.add(type.group);
        for (const object of history.objects(type).values()) history.remove(type, object);
        for (const stream of collections.open(type.plural)) stream.end();
      }
    },
    compact() {
      history.compact();
      collections.forget();
    },
  };
}

function matches(request: ApiRequest, filter: RequestFilter): boolean {
  return Object.entries(filter).every(([field, value]) => request[field as keyof RequestFilter] === value);
}

/** As Node names what happened to a connection. */
export function connectionError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}
