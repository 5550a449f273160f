import { setTimeout as delay } from "node:timers/promises";
import type { Consul } from "../bed/consul.ts";
import { earlierVersion } from "../bed/earlier-version.ts";
import { startNacos } from "../bed/nacos.ts";
import type { RetiringProvider } from "../bed/provider-process.ts";
import { RETRY_MS, type Tenant, untilFailed, untilNothingHeld, untilReady } from "../e2e/world.ts";
import { eventually } from "../support/eventually.ts";
import { applyInstall } from "../support/install.ts";
import { operatorOn } from "../upgrade/operator.ts";
import { at, type Mesh, retire, type Service, startPod } from "./world.ts";

/** How long what is down stays down. */
const DOWN_MS = 10_000;
const API_DOWN_MS = 60_000;
/** What istiod may take to follow an API server that was down: it waits for up to 30 s, and is refused at first. */
const ISTIOD_MS = 120_000;

/**
 * Of the hub-controllers here: 21 s. Sessions last 10 s here, and Dubbo's clients come back 10 to 12 s after a ZooKeeper
 * that was down for 25 s, on a busy machine later still: meanwhile their providers are not listed. The default, 60 s, is
 * 20 s longer than the longest session of a ZooKeeper with its own settings.
 */
export const SETTLE_FACTOR = 0.35;

/** What the promise is tried on: a Dubbo service from ZooKeeper, and something from a Consul. */
export interface Stage {
  readonly mesh: Mesh;
  readonly consul: Consul;
  /** Whose service it is. */
  readonly tenant: Tenant;
  readonly service: Service;
  /** Its providers, oldest first. */
  pods: readonly RetiringProvider[];
  /** What goes with the stage. */
  readonly stack: AsyncDisposableStack;
}

/** Something that happens behind the mesh, and all that is done about it. */
export interface Fault {
  readonly what: string;
  happen(stage: Stage): Promise<void>;
}

/** In an order in which each can be repeated. */
export const faults: readonly Fault[] = [
  {
    what: "the registries are killed, and come back with their data",
    async happen({ mesh: { world }, tenant, consul }) {
      await Promise.all([world.zooKeeper.kill(), consul.kill()]);
      await untilUnreachable(tenant);
      await delay(DOWN_MS);
      await Promise.all([world.restartZooKeeper(), consul.restart()]);
    },
  },
  {
    what: "the registries are frozen",
    async happen({ mesh: { world }, tenant, consul }) {
      for (const one of [world.zooKeeper, consul]) one.freeze();
      await untilUnreachable(tenant);
      await delay(DOWN_MS);
      for (const one of [world.zooKeeper, consul]) one.resume();
    },
  },
  {
    what: "ZooKeeper comes back empty, and new providers fill it",
    async happen(stage) {
      const { mesh, tenant } = stage;
      await mesh.world.restartZooKeeper({ wipe: true });
      // Dubbo does not register in a directory that is gone. While that is held, whoever is not listed has to live.
      const old = await startAnew(stage);
      await untilNothingHeld(tenant, { deadlineMs: RETRY_MS });
      await leave(stage, old);
    },
  },
  {
    what: "the operator is killed three times",
    async happen({ mesh: { world } }) {
      for (let strike = 0; strike < 3; strike++) {
        await world.controllers.kill();
        await delay(Math.random() * 2_000);
        await world.controllers.restart();
        await delay(Math.random() * 3_000);
      }
    },
  },
  {
    what: "the operator is rolled back to an earlier version, and upgraded again",
    async happen(stage) {
      const { mesh, pods: old } = stage;
      const { api, controllers } = mesh.world;
      await using operator = operatorOn(api);
      await Promise.all([controllers.hub.terminate(), controllers.dubbo.terminate()]);
      await operator.run(await earlierVersion(), [`--settle-factor=${SETTLE_FACTOR}`]);
      await join(stage);
      await applyInstall(api);
      await Promise.all(operator.processes.map((one) => one.terminate()));
      await controllers.restart();
      await join(stage);
      await leave(stage, old);
    },
  },
  {
    what: "the API server is down for a minute; a provider comes meanwhile, and one goes afterwards",
    async happen(stage) {
      const { mesh, service, pods } = stage;
      await mesh.world.api.kill();
      const young = await startYoung(stage);
      await delay(API_DOWN_MS);
      await mesh.world.api.restart();
      stage.pods = [...pods, young];
      // istiod, too, has to watch again, and asks every 30 s at worst. Nobody may go before it has.
      await eventually(() => service.arrives(...stage.pods.map(at)), ISTIOD_MS);
      await leave(stage, pods.slice(0, 1));
    },
  },
  {
    what: "providers are replaced one by one",
    async happen(stage) {
      for (const _ of stage.pods) await replaceOldest(stage);
    },
  },
];

/** The service's providers go to another registry, for ever. */
export const move: Fault = {
  what: "Nacos takes ZooKeeper's place: both hubs, then one",
  async happen(stage) {
    const { mesh, tenant, stack } = stage;
    const nacos = stack.use(await startNacos({ version: "2.3" }));
    await tenant.applyHub({ type: "nacos", address: nacos.address }, "nacos");
    const old = await startAnew(stage, `nacos://${nacos.address}`);
    await untilReady(tenant, { name: "nacos" });
    await mesh.world.api.kubectl(["delete", "registryhub", "hub", "--namespace", tenant.namespace]);
    stage.pods = stage.pods.slice(old.length);
    await stage.service.arrives(...stage.pods.map(at));
    await retire(stage.service, old, stage.pods);
  },
};

/** A new provider comes, and the oldest goes: what is in the mesh follows the registry. */
export async function replaceOldest(stage: Stage): Promise<void> {
  const [oldest] = stage.pods;
  await join(stage);
  if (oldest) await leave(stage, [oldest]);
}

let addresses = 0;

/** One more provider, which has registered. Every second one is a Dubbo 3.3. */
async function startYoung({ mesh, tenant, stack }: Stage, registry?: string): Promise<RetiringProvider> {
  const host = `10.42.7.${100 + addresses++}`;
  const dubbo = addresses % 2 === 0 ? "3.3" : "2.7";
  return stack.use(await startPod(mesh, tenant, { host, dubbo, ...(registry && { registry }) }));
}

/** The same; returns when it gets calls. */
async function join(stage: Stage, registry?: string): Promise<void> {
  stage.pods = [...stage.pods, await startYoung(stage, registry)];
  await stage.service.arrives(...stage.pods.map(at));
}

/** A new provider for each that there is. Returns those that there were. */
async function startAnew(stage: Stage, registry?: string): Promise<readonly RetiringProvider[]> {
  const old = stage.pods;
  for (const _ of old) await join(stage, registry);
  return old;
}

/** Those leave their registry and are stopped; the others go on. */
async function leave(stage: Stage, leaving: readonly RetiringProvider[]): Promise<void> {
  stage.pods = stage.pods.filter((one) => !leaving.includes(one));
  await retire(stage.service, leaving, stage.pods);
}

/** The hub says that its registry is not there. */
async function untilUnreachable(tenant: Tenant): Promise<void> {
  await untilFailed(tenant, "RegistryUnreachable", /./, RETRY_MS);
}
