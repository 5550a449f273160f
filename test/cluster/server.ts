import { readFile } from "node:fs/promises";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { inject } from "vitest";
import { systemClock } from "../../src/runtime/clock.ts";
import { type ApiServer, startApiServer, untilEstablished } from "../bed/api-server.ts";
import { listen } from "../fakes/api-server/listener.ts";
import type { ApiRequest } from "../fakes/api-server/request.ts";
import { createFakeApiServer, type FakeApiServer } from "../fakes/api-server/server.ts";
import { createWatchStream } from "../fakes/api-server/watch-stream.ts";

/** Which server the suite runs on: the project of vitest.config.ts says it. */
declare module "vitest" {
  interface ProvidedContext {
    readonly apiServer: "real" | "fake";
  }
}

/** A right that alice is given. */
export interface Grant {
  readonly verbs: readonly ("get" | "list" | "watch" | "create" | "patch")[];
  readonly resource: string;
  /** undefined = in all. */
  readonly namespace?: string;
}

/** One write that a server was asked for. */
export interface SeenWrite {
  readonly resource: string;
  readonly namespace: string;
}

/**
 * What this suite asks of an API server besides what a kubeconfig gives: the same of the real one and of the fake, so that
 * the fake is only believed to do what the real one was seen to do.
 */
export interface TestServer extends AsyncDisposable {
  readonly url: string;
  /** Of an administrator. */
  readonly kubeconfig: string;
  /** Of somebody who has no rights but those that `grant` gives. */
  readonly alice: { readonly kubeconfig: string; readonly token: string };
  grant(right: Grant): Promise<void>;
  /** Istio's and ours; needed only where the server was started without. */
  installCrds(): Promise<void>;
  /** Every write that came in. */
  writes(): Promise<readonly SeenWrite[]>;
  /** How many requests of that kind it has answered to their end. */
  answered(verb: "list" | "watch", resource: string): Promise<number>;
  /** Forgets all history. */
  compact(): Promise<void>;
  /** A server of the same identity that says what it is told to; `count` = the how manieth request it is, from 1 on. */
  standIn(answer: (count: number) => Scripted): Promise<StandIn>;
}

/** What a healthy server cannot be made to answer, or a watch on which nothing happens. */
export type Scripted =
  | { readonly code: number; readonly headers?: Readonly<Record<string, string>>; readonly body: string }
  | "silent watch";

/** Disposal ends it. */
export interface StandIn extends AsyncDisposable {
  readonly port: number;
}

/** How a server is started. */
export interface TestServerOptions {
  /** Whether the CRDs are there from the beginning. */
  readonly crds?: boolean;
  /** Resources whose history nobody has in memory, so that `compact` is the end of it. */
  readonly uncached?: readonly string[];
}

export function startServer(options: TestServerOptions = {}): Promise<TestServer> {
  return inject("apiServer") === "fake" ? startFake(options) : startReal(options);
}

async function startReal({ crds = false, uncached = [] }: TestServerOptions): Promise<TestServer> {
  await using starting = new AsyncDisposableStack();
  const server = starting.use(await startApiServer({ controllerManager: false, uncached }));
  const pki = dirname(server.caFile);
  const installCrds = async (): Promise<void> => {
    await server.applyCrds();
    await server.kubectl(["apply", "--server-side", "-f", "crds/registryhub.yaml"]);
    await untilEstablished(server.kubectl);
  };
  if (crds) await installCrds();
  const alice = { kubeconfig: await server.kubeconfigFor(server.aliceToken), token: server.aliceToken };
  const owned = starting.move();
  return {
    url: server.url,
    kubeconfig: server.kubeconfig,
    alice,
    grant: (right) => grantOnReal(server, right),
    installCrds,
    writes: () => server.writes(),
    answered: (verb, resource) => answeredByReal(server, verb, resource),
    compact: () => server.compact(),
    async standIn(answer) {
      const [cert, key] = await Promise.all([readFile(server.caFile), readFile(join(pki, "apiserver.key"))]);
      return startStandIn({ cert, key }, answer);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function grantOnReal({ kubectl }: ApiServer, { verbs, resource, namespace }: Grant): Promise<void> {
  const [kind, where] = namespace === undefined ? ["clusterrole", []] : ["role", ["-n", namespace]];
  const role = `${resource}-reader`;
  const rights = [`--verb=${verbs.join(",")}`, `--resource=${resource}`];
  await kubectl(["create", kind, role, ...where, ...rights]);
  await kubectl(["create", `${kind}binding`, role, ...where, `--${kind}=${role}`, "--user=alice"]);
}

async function answeredByReal({ kubectl }: ApiServer, verb: string, resource: string): Promise<number> {
  const metrics = await kubectl(["get", "--raw", "/metrics"]);
  const wanted = [`resource="${resource}"`, `verb="${verb.toUpperCase()}"`];
  const lines = metrics.split("\n").filter((line) => line.startsWith("apiserver_request_total{"));
  const ours = lines.filter((line) => wanted.every((label) => line.includes(label)));
  return ours.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

async function startFake({ crds = false }: TestServerOptions): Promise<TestServer> {
  await using starting = new AsyncDisposableStack();
  const server = createFakeApiServer(systemClock);
  const listener = starting.use(await listen(server));
  const grants: Grant[] = [];
  server.authorize(
    (request) => request.user !== "alice" || grants.some((right) => isGranted(right, request)),
  );
  server.person.createNamespace("default");
  if (!crds) server.removeCrds();
  const alice = { kubeconfig: await listener.kubeconfigFor("alice"), token: listener.tokenOf("alice") };
  const owned = starting.move();
  return {
    url: listener.url,
    kubeconfig: await listener.kubeconfigFor("admin"),
    alice,
    grant: async (right) => void grants.push(right),
    installCrds: async () => server.installCrds(),
    writes: async () => server.writes(),
    answered: async (verb, resource) => answeredByFake(server, verb, resource),
    compact: async () => server.compact(),
    standIn: scriptedFake,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function isGranted({ verbs, resource, namespace }: Grant, request: ApiRequest): boolean {
  const isThere = namespace === undefined || namespace === request.namespace;
  return isThere && resource === request.resource && verbs.some((verb) => verb === request.verb);
}

/** A watch that is open has not been answered to its end. */
function answeredByFake(server: FakeApiServer, verb: string, resource: string): number {
  const asked = server.requests.filter((one) => one.verb === verb && one.resource === resource).length;
  return verb === "watch" ? asked - server.watches(resource).length : asked;
}

async function scriptedFake(answer: (count: number) => Scripted): Promise<StandIn> {
  const server = createFakeApiServer(systemClock);
  let count = 0;
  server.intercept(() => {
    const scripted = answer(++count);
    if (scripted === "silent watch")
      return { code: 200, body: undefined, watch: createWatchStream(() => undefined) };
    return scripted;
  });
  const listener = await listen(server);
  return {
    port: Number(new URL(listener.url).port),
    [Symbol.asyncDispose]: () => listener[Symbol.asyncDispose](),
  };
}

/** The real server's certificate makes it believed. */
async function startStandIn(
  tls: { readonly cert: Buffer; readonly key: Buffer },
  answer: (count: number) => Scripted,
): Promise<StandIn> {
  let count = 0;
  const server = createServer(tls, (request, response) => {
    request.resume();
    request.on("end", () => {
      const scripted = answer(++count);
      if (scripted === "silent watch") response.writeHead(200).flushHeaders();
      else response.writeHead(scripted.code, scripted.headers).end(scripted.body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
