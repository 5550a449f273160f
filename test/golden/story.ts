import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse, parseAllDocuments } from "yaml";
import { type Cluster, emptyCluster } from "../../src/cli/cluster-copy.ts";
import { generateEntries, generateFilters } from "../../src/cli/generate.ts";
import { readConfig } from "../../src/config.ts";
import { objectKey } from "../../src/kube/resources.ts";
import type { HostKey } from "../../src/model/entry.ts";
import type { ServiceEntry } from "../../src/model/istio.ts";
import type { Fields } from "../../src/runtime/deps.ts";
import { type FakeClock, fakeClock } from "../support/fake-clock.ts";
import { silentLogger } from "../support/model.ts";
import { workingCopy } from "./cluster.ts";
import { type HubMoment, openHub } from "./hub.ts";
import { resultOf, type StepResult } from "./step-result.ts";

/** Where the stories are: one folder each, with a folder more for each further step; README.md says what is in them. */
export const storiesFolder = fileURLToPath(new URL("stories", import.meta.url));
export const storyNames = readdirSync(storiesFolder).sort();

/** `01-registry.yaml`: all that is known at one moment. A hub that is absent has been deleted. */
interface Moment {
  /** Minutes since the step before. */
  readonly passed?: number;
  /** Oldest first. */
  readonly hubs: readonly HubMoment[];
}

/** A step that was played. */
export interface Step extends StepResult {
  /** Where its files are. */
  readonly folder: string;
}

/** Plays a story from its first step to its last, every step on the cluster that the one before left. */
export async function playStory(name: string): Promise<readonly Step[]> {
  const folder = join(storiesFolder, name);
  const further = readdirSync(folder).filter((file) => file.startsWith("step-"));
  const clock = fakeClock();
  let cluster: Cluster = { ...emptyCluster, serviceEntries: initialEntries(folder) };
  const steps: Step[] = [];
  for (const at of [folder, ...further.sort().map((step) => join(folder, step))]) {
    const moment = parse(readFileSync(join(at, "01-registry.yaml"), "utf8")) as Moment;
    clock.jump((moment.passed ?? 0) * 60_000);
    const { after, result } = await playStep(moment, cluster, clock);
    cluster = after;
    steps.push({ folder: at, ...result });
  }
  return steps;
}

function initialEntries(folder: string): readonly ServiceEntry[] {
  const path = join(folder, "00-cluster.yaml");
  if (!existsSync(path)) return [];
  return parseAllDocuments(readFileSync(path, "utf8")).map((document) => document.toJS() as ServiceEntry);
}

/** The operator starts, and does what there is to do: first the hub-controller, then the dubbo-controller. */
async function playStep(moment: Moment, before: Cluster, clock: FakeClock) {
  const deletions = new Map<HostKey, unknown>();
  const info = (_message: string, { host, why }: Fields = {}): void => {
    if (why !== undefined) deletions.set(String(host), why); // only the log says why
  };
  const deps = { clock, logger: { ...silentLogger, info }, random: () => 0 };
  const { copy, result } = workingCopy(before, deps);
  const hubs = await Promise.all(moment.hubs.map((hub) => openHub(hub, copy)));
  const config = readConfig({}, {});
  const hosts = new Set([...hubs.flatMap(({ listings }) => [...listings.hosts()]), ...copy.entries.hosts()]);
  const world = { sessions: () => hubs.map(({ claiming }) => claiming), goneInMs: () => 0 };
  await generateEntries([...hosts].sort(), world, copy, config);
  const keys = [...before.serviceEntries.map(objectKey), ...copy.serviceEntries.objects.keys()];
  await generateFilters(keys, world.sessions(), copy, config);
  return { after: result(), result: resultOf(copy, hubs, deletions) };
}
