import { isDeepStrictEqual } from "node:util";
import type { KubeClient } from "../../kube/client.ts";
import { isCovered } from "../../kube/covered.ts";
import { type KubeError, retryDelay } from "../../kube/errors.ts";
import { createReflector, type Reflector } from "../../kube/reflector.ts";
import { resources } from "../../kube/resources.ts";
import type { Ms } from "../../model/entry.ts";
import type { Hub, HubId, HubKey } from "../../model/hub.ts";
import type { DestinationRule } from "../../model/istio.ts";
import { splitKey } from "../../model/keys.ts";
import type { Stored } from "../../model/kubernetes.ts";
import { fieldManagers } from "../../model/labels.ts";
import type { Problem, ProblemCode } from "../../model/problems.ts";
import type { HubStatus } from "../../model/registryhub.ts";
import type { Deps } from "../../runtime/deps.ts";
import { rememberedWarnings } from "../../status/memory.ts";
import { defaultRule, defaultRuleHost, defaultRuleName } from "../../translate/destination-rule.ts";
import { hubIdOf } from "../../translate/names.ts";
import {
  concernOf,
  hubsOfRule,
  isDefaultRule,
  ruleHostOnly,
} from "../../translate/read-back/destination-rule.ts";
import { isTerminating } from "../../translate/read-back/namespace.ts";
import { failureOf } from "../writes/apply-failure.ts";
import { reportBug } from "../writes/internal-error.ts";
import { ObjectWriter, type Tools } from "../writes/object-writer.ts";
import { type Known, OptionalLists } from "../writes/optional-lists.ts";
import { failedBy, type Outcome, WorkQueue } from "../writes/queue.ts";
import { isWatched, type TargetRules } from "../writes/target-namespace.ts";
import type { Claimant } from "./other-lanes.ts";

const concurrency = 2;
/** From so many failures in a row on, those that may pass are told, too. */
const toldFailures = 3;

export interface DefaultRulesOptions extends Pick<TargetRules, "watchNamespaces"> {
  readonly rootNamespace: string;
}

/** What the rules need from the controller. */
export interface DefaultRulesContext {
  /** Whether all hubs and namespaces are known; nothing is decided before. */
  isReady(): boolean;
  claimants(): readonly Claimant[];
  /** All that exist, served or not. */
  readonly hubs: ReadonlyMap<HubKey, unknown>;
  /** As in HubSessions. */
  goneInMs(key: HubKey): Ms | undefined;
  targetProblem(claimant: Claimant): unknown;
  /** Called when `problemsOf` hubs of this target may be others. */
  changed(target: string): void;
}

interface Obstacle {
  readonly code: Extract<ProblemCode, "NoRight" | "NoDestinationRule">;
  readonly detail: string;
}

/** A rule in the way of ours. */
interface StrangersRule {
  /** undefined = it does what ours would do. */
  readonly told: Obstacle | undefined;
}

/** What a hub says of the rule of its target. */
interface Word {
  readonly target: string;
  readonly asks: boolean;
  readonly isStill: boolean;
}

/**
 * One DestinationRule in each target of hubs that say `outlierDetection: true`, for as long as one does. The right to
 * DestinationRules is optional.
 */
export class DefaultRules {
  readonly #rules: Reflector<Stored<DestinationRule>>;
  readonly #lists: OptionalLists;
  readonly #context: DefaultRulesContext;
  readonly #options: DefaultRulesOptions;
  readonly #deps: Deps;
  readonly #words = new Map<HubKey, Word>();
  /** Why a target lacks its rule; undefined = it lacks none. */
  readonly #obstacles = new Map<string, Obstacle | undefined>();
  /** Failures since the last success. */
  readonly #failures = new Map<string, number>();
  #known: Known = "unknown";
  #queue: WorkQueue | undefined;

  constructor(client: KubeClient, options: DefaultRulesOptions, context: DefaultRulesContext, deps: Deps) {
    this.#context = context;
    this.#options = options;
    this.#deps = deps;
    const neededFor = "DestinationRules for hubs that say outlierDetection: true";
    const optional = { ...deps, logger: deps.logger.child({ neededFor }) };
    const { destinationRules } = resources;
    this.#rules = createReflector(client, destinationRules, { transform: ruleHostOnly }, optional);
    this.#lists = new OptionalLists(client, destinationRules, [this.#rules], deps.clock);
  }

  /** A hub has come, changed or gone. */
  take(key: HubKey): void {
    const before = this.#words.get(key);
    const hub = this.#context.claimants().find((one) => one.hub.key === key)?.hub;
    const after = hub && { target: hub.target, asks: asks(hub), isStill: changesNothing(hub) };
    if (after === undefined) this.#words.delete(key);
    else this.#words.set(key, after);
    if (isDeepStrictEqual(before, after)) return;
    const named = this.#ourRules().filter((rule) => hubsOfRule(rule).has(hubIdOf(key)));
    const targets = [before?.target ?? "", after?.target ?? "", ...named.map(namespaceOf)];
    for (const target of new Set(targets)) if (target !== "") this.#lookAt(target);
  }

  /** What decides about the rules of all targets may have changed. */
  lookAtAll(): void {
    for (const target of new Set([...this.#targets(), ...this.#ourRules().map(namespaceOf)]))
      this.#lookAt(target);
  }

  /** What the API server refused in the namespace is worth another try. */
  recall(namespace: string): void {
    this.#queue?.recall(namespace);
  }

  /** As that of its queue. */
  get longestRunMs(): Ms {
    return this.#queue?.longestRunMs ?? 0;
  }

  /** Why the hub gets no outlier detection for its Spring hosts. What is not known yet is as the previous status says. */
  problemsOf(hub: Hub, previous: Pick<HubStatus, "problems"> | undefined): readonly Problem[] {
    const { target: at } = hub;
    if (!asks(hub)) return [];
    if (this.#lists.known === "no") return [{ at, ...noRight, severity: "warning" }];
    if (this.#lists.known === "unknown" || !this.#obstacles.has(at))
      return (["NoRight", "NoDestinationRule"] as const)
        .flatMap((code) => rememberedWarnings(code, previous))
        .filter((one) => one.at === at);
    const obstacle = this.#obstacles.get(at);
    return obstacle ? [{ at, ...obstacle, severity: "warning" }] : [];
  }

  /** Works until `tools.signal` aborts. @throws only on a bug that concerns more than one target. */
  async run(tools: Tools): Promise<void> {
    const writer = new ObjectWriter(
      this.#rules,
      resources.destinationRules,
      fieldManagers.registryhub,
      tools,
      { isShared: true }, // lanes write one rule
    );
    const queue = new WorkQueue((key) => this.#work(splitKey(key)[0], writer), concurrency, this.#deps, {
      onBug: (key, error) => {
        reportBug(tools, "object", { destinationRule: key }, error);
        return { failed: true };
      },
    });
    this.#queue = queue;
    this.#lists.onChange(() => this.#listChanged());
    this.#rules.subscribe((keys) => {
      const namespaces = new Set([...keys].map((key) => splitKey(key)[0]));
      this.#listChanged();
      if (namespaces.has(this.#options.rootNamespace)) this.lookAtAll();
      else for (const namespace of namespaces) this.#lookAt(namespace);
    });
    this.lookAtAll();
    await Promise.all([this.#lists.run(tools.signal), queue.run(tools.signal)]);
  }

  #listChanged(): void {
    const { known } = this.#lists;
    if (known === this.#known) return;
    this.#known = known;
    this.lookAtAll();
    for (const target of this.#targets()) this.#context.changed(target);
  }

  #ourRules(): readonly Stored<DestinationRule>[] {
    return [...this.#rules.objects.values()].filter(isDefaultRule);
  }

  #targets(): ReadonlySet<string> {
    return new Set([...this.#words.values()].map(({ target }) => target));
  }

  #lookAt(target: string): void {
    this.#queue?.add(`${target}/${defaultRuleName}`, "changed");
  }

  async #work(target: string, writer: ObjectWriter<Stored<DestinationRule>>): Promise<Outcome> {
    if (!this.#context.isReady() || !isWatched(target, this.#options)) return undefined;
    const asking = this.#context.claimants().filter(({ hub }) => hub.target === target && asks(hub));
    if (asking.length > 0) this.#lists.need();
    if (this.#lists.known !== "yes") return undefined; // the target is looked at again once that changes
    const key = `${target}/${defaultRuleName}`;
    const actual = this.#rules.objects.get(key);
    const ours = actual !== undefined && isDefaultRule(actual) ? actual : undefined;
    if (asking.length === 0 && ours === undefined) {
      this.#obstacles.delete(target);
      return undefined;
    }
    const { hubs, againInMs } = this.#hubsOf(target, asking, ours);
    const again = againInMs === undefined ? undefined : { againInMs };
    const obstacle = actual === ours ? this.#strangersRuleFor(target) : nameTaken(key);
    if (hubs.size === 0 || obstacle !== undefined) {
      const error = ours && (await writer.delete(key, ours, { name: key }));
      this.#tell(target, error ? this.#failed(target, "deleted", error) : obstacle?.told);
      return this.#outcomeOf(target, error) ?? again;
    }
    const desired = defaultRule(target, hubs);
    if (ours !== undefined && (isCovered(desired, ours) || isTerminating(ours))) {
      this.#tell(target, undefined);
      return again;
    }
    const pauseMs = writer.pauseMs(key, desired);
    if (pauseMs > 0) return { againInMs: pauseMs };
    const error = await writer.apply(key, desired, ours, { name: key });
    this.#tell(target, error && this.#failed(target, "written", error));
    return this.#outcomeOf(target, error) ?? again;
  }

  /**
   * The hubs that the rule of the target is for. A hub that cannot be read, that changes nothing now, or that cannot go where it
   * wants to, stays if the rule names it; so does one that is missing and may come back.
   */
  #hubsOf(
    target: string,
    asking: readonly Claimant[],
    rule: Stored<DestinationRule> | undefined,
  ): { readonly hubs: ReadonlyMap<HubId, HubKey>; readonly againInMs: Ms | undefined } {
    const isAccepted = (claimant: Claimant): boolean => this.#context.targetProblem(claimant) === undefined;
    const hubs = new Map(asking.filter(isAccepted).map(({ hub }) => [hub.id, hub.key]));
    const byId = new Map(this.#context.claimants().map((claimant) => [claimant.hub.id, claimant]));
    const waits: Ms[] = [];
    for (const [id, noted] of rule ? hubsOfRule(rule) : []) {
      if (hubs.has(id)) continue;
      const claimant = byId.get(id);
      if (claimant !== undefined) {
        const { hub } = claimant;
        const hasLeft = hub.target === target ? saysNo(hub) : !changesNothing(hub) && isAccepted(claimant);
        if (!hasLeft) hubs.set(id, hub.key);
        continue;
      }
      const key = this.#keyOf(id, noted);
      if (key === "") continue; // nothing tells when it is gone
      const goneInMs = this.#context.hubs.has(key) ? undefined : this.#context.goneInMs(key);
      if (goneInMs === 0) continue;
      hubs.set(id, key);
      if (goneInMs !== undefined) waits.push(goneInMs);
    }
    return { hubs, againInMs: waits.length > 0 ? Math.min(...waits) : undefined };
  }

  /** The name of a hub, also where somebody took it out of the rule. */
  #keyOf(id: HubId, noted: HubKey): HubKey {
    if (noted !== "") return noted;
    return [...this.#context.hubs.keys()].find((key) => hubIdOf(key) === id) ?? "";
  }

  /** Somebody else's rule that ours would hide, or that is for some of the same hosts. */
  #strangersRuleFor(target: string): StrangersRule | undefined {
    const { rootNamespace } = this.#options;
    for (const [key, rule] of this.#rules.objects) {
      const [namespace] = splitKey(key);
      if (namespace !== target && namespace !== rootNamespace) continue;
      if (isDefaultRule(rule)) continue;
      const concern = concernOf(rule, target);
      if (concern === "none") continue;
      return { told: concern === "all, and ejects" ? undefined : replacedBy(key, target) };
    }
    return undefined;
  }

  /** What is told of a failed write: nothing of one that the next try may heal. */
  #failed(target: string, done: "written" | "deleted", error: KubeError): Obstacle | undefined {
    const failures = (this.#failures.get(target) ?? 0) + 1;
    this.#failures.set(target, failures);
    if (retryDelay(error) !== undefined && failures < toldFailures) return this.#obstacles.get(target);
    return refusedBecause(done, error);
  }

  #outcomeOf(target: string, error: KubeError | undefined): Outcome {
    if (error === undefined) this.#failures.delete(target);
    return failedBy(error);
  }

  #tell(target: string, obstacle: Obstacle | undefined): void {
    const isNews = !this.#obstacles.has(target) || this.#obstacles.get(target)?.detail !== obstacle?.detail;
    this.#obstacles.set(target, obstacle);
    if (isNews) this.#context.changed(target);
  }
}

/** Whether the hub may have Spring hosts and says that dead endpoints of theirs shall be ejected. */
function asks(hub: Hub): boolean {
  return hub.outlierDetection === true && hub.registry.type !== "zookeeper" && !changesNothing(hub);
}

const changesNothing = ({ suspend, policy }: Hub): boolean => suspend || policy === "observe";
const saysNo = (hub: Hub): boolean => !asks(hub) && !changesNothing(hub);

const namespaceOf = ({ metadata }: Stored<DestinationRule>): string => metadata.namespace ?? "";

const noRight: Obstacle = {
  code: "NoRight",
  detail:
    "the operator may not list and watch DestinationRules, so outlierDetection: true makes and changes none for Spring services; add the component destination-rules",
};

function nameTaken(rule: string): StrangersRule {
  const detail = `DestinationRule ${rule} is somebody else's and has the name of the operator's; rename it`;
  return { told: { code: "NoDestinationRule", detail } };
}

function replacedBy(rule: string, target: string): Obstacle {
  const detail = `DestinationRule ${rule} is for hosts of ${target}, so the operator makes none for ${defaultRuleHost(target)}; delete it, or have a rule of your own for ${defaultRuleHost(target)} detect outliers`;
  return { code: "NoDestinationRule", detail };
}

function refusedBecause(done: "written" | "deleted", error: KubeError): Obstacle {
  const { reason, detail, nextStep } = failureOf(error);
  return {
    code: reason === "Forbidden" ? "NoRight" : "NoDestinationRule",
    detail: `DestinationRule ${defaultRuleName} is not ${done}: ${detail}. ${nextStep.replace(/\.$/, "")}`,
  };
}
