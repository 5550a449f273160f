import { gzipSync } from "node:zlib";
import type { RegistryHubSpec } from "../../src/model/registryhub.ts";
import { startFakeConsul } from "../fakes/consul/server.ts";
import { startFakeEureka } from "../fakes/eureka/server.ts";

/** A registry that is there to exhaust whoever reads it. */
export interface HostileRegistry extends AsyncDisposable {
  /** What a hub needs to read it. */
  readonly spec: Pick<RegistryHubSpec, "type" | "address" | "eureka" | "consul">;
}

/** One kind of harm, and what the status of its hub has to tell. */
export interface Hostility {
  readonly name: string;
  start(): Promise<HostileRegistry>;
  /** In the conditions or problems of its hub. */
  readonly told: RegExp;
}

/** The harm is within all limits. */
const synced = /"reason":"Synced"/;
const mebi = 2 ** 20;
/** What one tenant's registry may do to all others, if nobody sees to it. */
export const hostilities: readonly Hostility[] = [
  {
    name: "a small answer in gzip that unfolds to 60 MiB of empty applications",
    start: () => answersWith(`{"applications":{"application":[${"{},".repeat(20 * mebi)}{}]}}`),
    told: /it lists more than 200000 entries/,
  },
  {
    name: "an answer in gzip that unfolds to 200 MiB",
    start: () => answersWith(`{"applications":{"application":[]},"rest":"${" ".repeat(200 * mebi)}"}`),
    told: /larger than \d+ bytes, which is --max-answer-bytes/,
  },
  {
    name: "4 MiB of malformed instances",
    start: () => answersWith(JSON.stringify({ applications: { application: [malformed()] } })),
    told: /BadInstance/,
  },
  { name: "a body that never ends", start: () => neverEnding(), told: /which is --max-answer-bytes/ },
  { name: "50,000 checks, of which one changes every second", start: () => manyChecks(), told: synced },
  { name: "3,000 services that change every second", start: () => restless(), told: synced },
];

const perSecond = 1_000;

async function answersWith(json: string): Promise<HostileRegistry> {
  const eureka = await startFakeEureka({ gzip: false });
  const body = gzipSync(json, { level: 9 });
  eureka.fault("/apps", { status: 200, headers: { "content-encoding": "gzip" }, body });
  return hostileEureka(eureka);
}

async function neverEnding(): Promise<HostileRegistry> {
  const eureka = await startFakeEureka();
  eureka.fault("/apps", "endless");
  return hostileEureka(eureka);
}

async function restless(): Promise<HostileRegistry> {
  const eureka = await startFakeEureka();
  const register = (round: number): void => {
    for (let at = 0; at < 3_000; at++)
      eureka.register(`restless-${at}`, [
        {
          address: `10.43.${Math.floor(at / 250)}.${(at % 250) + 1}`,
          port: 8_080,
          metadata: { round: String(round) },
        },
      ]);
  };
  let round = 0;
  register(round);
  const timer = setInterval(() => register(++round), perSecond);
  return hostileEureka({
    address: eureka.address,
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await eureka[Symbol.asyncDispose]();
    },
  });
}

async function manyChecks(): Promise<HostileRegistry> {
  const consul = await startFakeConsul();
  const [services, each] = [500, 50];
  const instance = (service: number, at: number) => ({
    address: `10.44.${service % 250}.${(Math.floor(service / 250) * 100 + at) % 250}`,
    port: 9_000 + service,
    node: `node-${service}-${at}-${"x".repeat(150)}`,
  });
  for (let service = 0; service < services; service++)
    consul.register(
      `crowd-${service}`,
      Array.from({ length: each }, (_, at) => instance(service, at + 1)),
    );
  let down = false;
  const timer = setInterval(() => {
    down = !down;
    consul.setNode(instance(0, 1).node, down ? "critical" : "passing");
  }, perSecond);
  return {
    spec: { type: "consul", address: consul.address },
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await consul[Symbol.asyncDispose]();
    },
  };
}

const hostileEureka = (eureka: AsyncDisposable & { readonly address: string }): HostileRegistry => ({
  spec: { type: "eureka", address: eureka.address, eureka: { pollIntervalSeconds: 1 } },
  [Symbol.asyncDispose]: () => eureka[Symbol.asyncDispose](),
});

/** One application with as many malformed instances as fill 4 MiB. */
function malformed(): unknown {
  const one = { instanceId: 7, ipAddr: null, port: "none", status: ["UP"], metadata: 0 };
  const count = Math.floor((4 * mebi) / (JSON.stringify(one).length + 1));
  return { name: "MALFORMED", instance: Array.from({ length: count }, () => one) };
}
