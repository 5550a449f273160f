import type { Access } from "../../src/cli/access.ts";
import { examined } from "../../src/cli/doctor/command.ts";
import { look } from "../../src/cli/doctor/read.ts";
import { explained } from "../../src/cli/explain/command.ts";
import { readObjects } from "../../src/cli/explain/objects.ts";
import { registryReader } from "../../src/cli/explain/registries.ts";
import { hubReport } from "../../src/cli/status/hub-report.ts";
import { hubLines } from "../../src/cli/status/view.ts";
import { readConfig } from "../../src/config.ts";
import { home, hubKey, rootNamespace, type World } from "../controllers/world.ts";
import { inProcessClient } from "../fakes/api-server/in-process.ts";
import { blocksOf, textOf } from "./markdown.ts";
import { silentLogger } from "./model.ts";

/** Somebody with a context whose namespace is `home`. */
export function accessTo({ api, clock }: Pick<World, "api" | "clock">, user = "alice"): Access {
  return {
    client: inProcessClient(api, { user, userAgent: "kubectl-registryhub/test", concurrency: 8 }, clock),
    namespace: home,
    config: readConfig({ rootNamespace, leaderElectNamespace: rootNamespace }, {}),
    now: clock.now(),
    signal: new AbortController().signal,
  };
}

/** What `explain` prints. @param namespace that of the context. */
export async function explain(world: World, what: string, namespace = home) {
  const access = { ...accessTo(world), namespace };
  return explained(what, await readObjects(access), access, false);
}

/** What `explain --registry` prints. */
export async function explainRead(world: World, what: string) {
  const access = accessTo(world);
  const { clock, openRegistry } = world;
  const deps = { clock, logger: silentLogger, random: () => 0.5, openRegistry };
  return explained(what, await readObjects(access), access, false, registryReader(access, deps));
}

/** What `status` prints about one hub. */
export function statusLines({ person, clock }: World, key = hubKey): readonly string[] {
  const object = person.get("registryhubs", key);
  if (object === undefined) throw new Error(`there is no hub ${key}`);
  return hubLines(hubReport(object), clock.now());
}

/** What docs/commands.md shows below a command. @throws Error when it does not show it. */
export function shownBelow(command: string): string {
  const first = `$ ${command}\n`;
  const block = blocksOf(textOf("docs/commands.md"), "text").find((one) => one.startsWith(first));
  if (block === undefined) throw new Error(`docs/commands.md does not show ${command}`);
  return block.slice(first.length).trimEnd();
}

/** What `doctor` prints. */
export async function doctor(world: Pick<World, "api" | "clock">, pod?: string) {
  return examined(await look(accessTo(world)), pod, false);
}
