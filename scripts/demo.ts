/**
 * `make demo`: the whole story of a hub, told on real servers, step by step, with the kubectl commands that show it.
 *
 *   TYPE=zookeeper   the type of registry; or nacos, eureka, consul
 *   MESH=1           with Istio, a sidecar and a call at the end; takes root, namespaces and a Debian
 *   ONCE=1           end after the last step; the exit code is 0 only if every step was really seen
 */

import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { meshAssets, prepareAssets } from "../test/bed/assets.ts";
import { NEAR_VERSIONS } from "../test/bed/kube-binaries.ts";
import { isInMeshNamespace, runInMeshNamespace } from "../test/bed/mesh-namespace.ts";
import { consul } from "./demo/consul.ts";
import { eureka } from "./demo/eureka.ts";
import { nacos } from "./demo/nacos.ts";
import type { DemoRegistry } from "./demo/registry.ts";
import { type Stage, scaledFlags, setStage } from "./demo/stage.ts";
import { storyOf } from "./demo/story.ts";
import { terminal } from "./demo/terminal.ts";
import { zookeeper } from "./demo/zookeeper.ts";

const types: Readonly<Record<string, DemoRegistry>> = { zookeeper, nacos, eureka, consul };

const { TYPE = "zookeeper", ONCE = "", MESH = "" } = process.env;
const inMesh = MESH === "1";
process.env[NEAR_VERSIONS] = "1";
const type = types[TYPE];
if (type === undefined) {
  process.stderr.write(`demo: TYPE=${TYPE} is not one of ${Object.keys(types).join(", ")}\n`);
  process.exit(2);
}

/** Ctrl-C ends the process in the mesh as well, which has an exit code of its own; SIGTERM comes here alone. */
const ENDS_MS = 3_000;

let exitCodeOfInterrupt = 130;
const interrupted = new Promise<void>((resolve) => {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => resolve());
});
const exitCode =
  inMesh && !isInMeshNamespace
    ? await Promise.race([runInMesh(type), interrupted.then(() => delay(ENDS_MS, exitCodeOfInterrupt))])
    : await Promise.race([run(type), interrupted.then(() => exitCodeOfInterrupt)]);
process.exit(exitCode); // whatever still runs, and every folder, goes away with this process

/** In a network without the internet, so everything is fetched before. */
async function runInMesh(registry: DemoRegistry): Promise<number> {
  try {
    await prepareAssets(neededBy(registry));
    return await runInMeshNamespace([process.execPath, fileURLToPath(import.meta.url)]);
  } catch (error) {
    process.stderr.write(`demo: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

function neededBy({ assets }: DemoRegistry): readonly string[] {
  return ["istio-crds", "kube-api", ...assets, ...(inMesh ? meshAssets : [])];
}

async function run(registry: DemoRegistry): Promise<number> {
  terminal.title(`registryhub with ${registry.name}: from a provider to the mesh`);
  terminal.say(
    `Every server is real and runs on this machine. To show every step within seconds, the demo shortens the times in which the
operator removes nothing: ${scaledFlags.join(" ")}.\n`,
  );
  try {
    await prepareAssets(neededBy(registry));
    await using stage = await setStage(registry);
    await tellStory(registry, stage);
    if (ONCE !== "1") await stayUp(registry, stage);
    return 0;
  } catch (error) {
    process.stderr.write(
      `\ndemo: the step failed: ${error instanceof Error ? error.message : String(error)}\n`,
    );
    return 1;
  }
}

async function tellStory(registry: DemoRegistry, stage: Stage): Promise<void> {
  const steps = storyOf(registry, inMesh);
  try {
    for (const [index, { title, tell }] of steps.entries()) {
      terminal.step(index + 1, steps.length, title);
      await tell(stage);
    }
  } catch (error) {
    for (const { name, readLog } of [stage.controllers.hub, stage.controllers.dubbo])
      terminal.say(
        `The end of the log of ${name}:\n\n${readLog().trimEnd().split("\n").slice(-20).join("\n")}`,
      );
    throw error;
  }
  terminal.title(`The demo observed all ${steps.length} steps`);
}

async function stayUp(registry: DemoRegistry, { api }: Stage): Promise<void> {
  exitCodeOfInterrupt = 0;
  terminal.say(`The demo keeps running until Ctrl-C. Try in another terminal:

  export KUBECONFIG=${api.kubeconfig}
  kubectl get rh ${registry.hub} -n ${registry.namespace} -o yaml
  kubectl get serviceentries -A`);
  await interrupted;
}
