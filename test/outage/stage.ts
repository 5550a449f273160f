import { setTimeout as delay } from "node:timers/promises";
import type { ServiceEntry } from "../../src/model/istio.ts";
import type { KubeObject } from "../../src/model/kubernetes.ts";
import type { HubStatus, RegistryHub } from "../../src/model/registryhub.ts";
import { registries } from "../../src/registries/index.ts";
import type { ApiServer } from "../bed/api-server.ts";
import type { AuditedWrite } from "../bed/audit-log.ts";
import type { ClusterRecorder, RecordedKind } from "../support/cluster-recorder.ts";
import { type Controllers, startControllers } from "../support/controllers.ts";
import { eventually } from "../support/eventually.ts";
import type { OutageRegistry, Provider, RealProvider, Registries } from "./registry.ts";
import { addrsOf, hostOfFilter, type Life, losses, removedAt } from "./truth.ts";

/** What all stories of a suite share. */
export interface Theatre {
  readonly api: ApiServer;
  readonly recorder: ClusterRecorder;
  readonly registries: Registries;
}

/** What differs from story to story. */
export interface StageOptions {
  /** Whether a real provider is there as well. Default false. */
  readonly realProvider?: boolean;
  /** Whether the story kills, freezes or empties the registry, whose server then is its own. Default false. */
  readonly ownServer?: boolean;
  /** Further flags of the hub-controller; of a flag given twice the last counts. */
  readonly flags?: readonly string[];
}

const SERVICES = 30;
const APPEAR_MS = 40_000;

/** How long the brake holds a service, from its own loss. */
export const SHRINK_HOLD_MS = 12_000;
const TIMES = ["--empty-grace=3s", `--shrink-hold=${SHRINK_HOLD_MS / 1_000}s`, "--reset-hold=60s"];
const HUB = "outage";
const SECRET = "login";

interface Cast {
  readonly registry: OutageRegistry;
  readonly providers: readonly Provider[];
  readonly realProvider: RealProvider | undefined;
  readonly controllers: Controllers;
}

/**
 * One namespace with a hub, its own registry and its own pair of controllers, and the truth about its providers: which of
 * them live.
 */
export class Stage implements AsyncDisposable {
  readonly namespace: string;
  readonly registry: OutageRegistry;
  readonly services: readonly string[];
  readonly #theatre: Theatre;
  readonly #controllers: Controllers;
  readonly #realProvider: RealProvider | undefined;
  readonly #owned: AsyncDisposableStack;
  readonly #living: Set<Provider>;
  readonly #lives = new Map<Provider, Life>();
  readonly #past: Life[] = [];
  #starts = 1;

  private constructor(theatre: Theatre, namespace: string, cast: Cast, owned: AsyncDisposableStack) {
    this.#theatre = theatre;
    this.namespace = namespace;
    this.registry = cast.registry;
    this.services = [...new Set(cast.providers.map(({ service }) => service))];
    this.#controllers = cast.controllers;
    this.#realProvider = cast.realProvider;
    this.#living = new Set(
      cast.realProvider ? [...cast.providers, cast.realProvider.provider] : cast.providers,
    );
    this.#owned = owned;
  }

  /** Starts everything; the hub is applied by `begin`. */
  static async open(theatre: Theatre, namespace: string, options: StageOptions = {}): Promise<Stage> {
    const { flags = [], ownServer = false } = options;
    const { api } = theatre;
    await using starting = new AsyncDisposableStack();
    await api.kubectl(["create", "namespace", namespace]);
    starting.defer(async () => void (await api.kubectl(["delete", "namespace", namespace, "--wait=false"])));
    const registry = starting.use(await theatre.registries.open({ own: ownServer }));
    const providers = twoOfEach(SERVICES);
    await registry.register(providers);
    const realProvider = options.realProvider ? starting.use(await registry.startProvider()) : undefined;
    const watched = `--watch-namespaces=${namespace}`;
    const controllers = starting.use(
      await startControllers({
        hubKubeconfig: api.kubeconfig,
        dubboKubeconfig: api.kubeconfig,
        hub: [watched, `--settle-factor=${settleFactorOf(registry, realProvider)}`, ...TIMES, ...flags],
        dubbo: [watched, `--root-namespace=${namespace}`],
      }),
    );
    return new Stage(theatre, namespace, { registry, providers, realProvider, controllers }, starting.move());
  }

  /** What each story begins with: the hub is applied, and the cluster has what the registry lists. */
  async begin(): Promise<void> {
    if (this.registry.login) await this.#applySecret(this.registry.login);
    await this.applyHub();
    await this.appear(this.living);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#owned.disposeAsync();
  }

  kubectl(args: readonly string[], input?: object): Promise<string> {
    return this.#theatre.api.kubectl(args, input && { input: JSON.stringify(input) });
  }

  get api(): ApiServer {
    return this.#theatre.api;
  }

  /** Another registry of the same type. */
  openRegistry(): Promise<OutageRegistry> {
    return this.#theatre.registries.open({ own: false });
  }

  /** How long nothing is believed to be gone after the first listing, in ms. */
  get settleMs(): number {
    const { registry } = this;
    return registries[registry.spec.type].settleMs * settleFactorOf(registry, this.#realProvider);
  }

  /** Lets an outage last: its length is part of the story, nothing can be awaited in its stead. */
  async lasts(ms: number): Promise<void> {
    await delay(Math.max(0, ms));
  }

  // ---- the hub

  /** `kubectl apply` of the hub, on this stage's registry or another. */
  async applyHub(spec: OutageRegistry["spec"] = this.registry.spec): Promise<void> {
    const hub = {
      apiVersion: "ecns.easystack.cn/v1alpha1",
      kind: "RegistryHub",
      metadata: { name: HUB, namespace: this.namespace },
      spec: {
        generate_to: this.namespace,
        ...spec,
        ...(this.registry.login && { secretRef: { name: SECRET } }),
      },
    };
    await this.kubectl(["apply", "-f", "-"], hub);
  }

  async #applySecret(login: NonNullable<OutageRegistry["login"]>): Promise<void> {
    const metadata = { name: SECRET, namespace: this.namespace };
    const secret = { apiVersion: "v1", kind: "Secret", metadata, stringData: login };
    await this.kubectl(["apply", "-f", "-"], secret);
  }

  async deleteHub(): Promise<void> {
    await this.kubectl(["delete", "registryhub", HUB, "-n", this.namespace]);
  }

  /** Sets the annotation that releases the present hold. */
  async releaseHold(): Promise<void> {
    const note = `ecns.easystack.cn/release-hold=${this.hold.until}`;
    await this.kubectl(["annotate", "registryhub", HUB, "-n", this.namespace, note]);
  }

  get hub(): RegistryHub | undefined {
    return this.#objects<RegistryHub>("registryhubs").get(HUB);
  }

  /** @throws Error when the hub has none yet. */
  get status(): HubStatus {
    if (this.hub?.status === undefined) throw new Error("the hub has no status");
    return this.hub.status;
  }

  /** @throws Error when nothing is held. */
  get hold(): NonNullable<HubStatus["hold"]> {
    const { hold } = this.status;
    if (hold === undefined) throw new Error("status.hold is absent");
    return hold;
  }

  // ---- the providers and what the cluster has of them

  get living(): readonly Provider[] {
    return [...this.#living];
  }

  /** Those who are one of the living instances of a service. */
  of(service: string): readonly Provider[] {
    return this.living.filter((provider) => provider.service === service);
  }

  /** The real provider. @throws Error when the story did not ask for one. */
  get realProvider(): RealProvider {
    if (this.#realProvider === undefined) throw new Error("this story has no real provider");
    return this.#realProvider;
  }

  /** These live: waits until the cluster has them. From here on none may be missing at any moment. */
  async appear(providers: readonly Provider[]): Promise<void> {
    for (const provider of providers) this.#living.add(provider);
    await eventually(() => {
      const missing = providers.filter((provider) => !this.has(provider)).map(({ service }) => service);
      if (missing.length > 0) throw new Error(`the cluster does not have all of ${missing.join(", ")}`);
    }, APPEAR_MS);
    const from = Date.now();
    for (const provider of providers) this.#lives.set(provider, { ...this.#targetOf(provider), from });
  }

  /** From here on these may be missing, and at the end must be. Returns when that was. */
  async die(providers: readonly Provider[]): Promise<number> {
    await this.#theatre.recorder.caughtUp(); // a removal before this moment is still one too early
    const now = Date.now();
    for (const provider of providers) {
      this.#living.delete(provider);
      const life = this.#lives.get(provider);
      if (life) this.#past.push({ ...life, to: now });
      this.#lives.delete(provider);
    }
    return now;
  }

  /** They end in good order, the registry being up. Returns when that was. */
  async leave(providers: readonly Provider[]): Promise<number> {
    const at = await this.die(providers);
    await this.registry.deregister(providers);
    return at;
  }

  /** Whether the cluster has the endpoint now. */
  has(provider: Provider): boolean {
    const { host, hostPort } = this.#targetOf(provider);
    return this.cluster.get(host)?.has(hostPort) ?? false;
  }

  entryOf(service: string): ServiceEntry | undefined {
    const host = this.registry.hostOf(service, this.namespace);
    const entries = this.#objects<ServiceEntry>("serviceentries").values();
    return entries.find(({ spec }) => spec.hosts?.[0] === host);
  }

  /** When the cluster first lost the endpoint after `since`, waiting for it until `deadlineMs`. In Date.now(). */
  removed(provider: Provider, since: number, deadlineMs: number): Promise<number> {
    return eventually(() => {
      const at = removedAt(this.#theatre.recorder.changes(this.namespace), this.#targetOf(provider), since);
      if (at === undefined) throw new Error(`${provider.service} still has ${provider.address}`);
      return at;
    }, deadlineMs);
  }

  // ---- the operator

  /** kill -9 of both controllers. */
  async killOperator(): Promise<void> {
    await this.#controllers.kill();
  }

  async startOperator(): Promise<void> {
    this.#starts++;
    await this.#controllers.restart();
  }

  // ---- what came of it

  /** "address:port" of the living instances, by host. */
  get truth(): ReadonlyMap<string, ReadonlySet<string>> {
    const byHost = Map.groupBy(this.living, (provider) => this.#targetOf(provider).host);
    return new Map([...byHost].map(([host, all]) => [host, new Set(all.map(addrOf))]));
  }

  /** "address:port" of the endpoints that the cluster has, by host; an empty entry is an empty set. */
  get cluster(): ReadonlyMap<string, ReadonlySet<string>> {
    const entries = this.#objects<ServiceEntry>("serviceentries").values();
    return new Map([...entries].map((entry) => [entry.spec.hosts?.[0] ?? "", addrsOf(entry)]));
  }

  /** The hosts that have an EnvoyFilter. */
  get filtered(): ReadonlySet<string> {
    const hosts = [...this.#objects("envoyfilters").keys()].map(hostOfFilter);
    return new Set(hosts.filter((host) => host !== ""));
  }

  /** The end of the hub-controller's log. */
  lastLines(count: number): readonly string[] {
    return this.#controllers.hub.readLog().trim().split("\n").slice(-count);
  }

  /**
   * Every write request of the operator in the namespace since then, also those that changed nothing; but no Events, whose
   * repeats come up to a minute late.
   */
  async writes(since: Date): Promise<readonly AuditedWrite[]> {
    const writes = await this.#theatre.api.writes({
      namespace: this.namespace,
      userAgent: "registryhub",
      since,
    });
    return writes.filter(({ resource }) => resource !== "events");
  }

  /** How often each controller was started by the story, and has started: more is a crash. */
  get starts(): { readonly told: number; readonly logged: readonly number[] } {
    const { hub, dubbo } = this.#controllers;
    const logged = [hub, dubbo].map((one) => one.log().filter(({ msg }) => msg === "starting").length);
    return { told: this.#starts, logged };
  }

  /** What lived and was missing at any moment so far. */
  async losses(): Promise<readonly string[]> {
    await this.#theatre.recorder.caughtUp();
    return losses(this.#theatre.recorder.changes(this.namespace), [...this.#past, ...this.#lives.values()]);
  }

  /** What was lost so far was the story's own doing. */
  forgive(): void {
    const from = Date.now();
    this.#past.length = 0;
    for (const [provider, life] of this.#lives) this.#lives.set(provider, { ...life, from });
  }

  #objects<T extends KubeObject>(kind: RecordedKind): ReadonlyMap<string, T> {
    return this.#theatre.recorder.objects<T>(this.namespace, kind);
  }

  #targetOf(provider: Provider): { readonly host: string; readonly hostPort: string } {
    return { host: this.registry.hostOf(provider.service, this.namespace), hostPort: addrOf(provider) };
  }
}

const settleFactorOf = (
  { settleFactor, realSettleFactor = settleFactor }: OutageRegistry,
  real: RealProvider | undefined,
): number => (real === undefined ? settleFactor : realSettleFactor);

const addrOf = ({ address, port }: Provider): string => `${address}:${port}`;

/** Two instances of each service, on six processes. */
function twoOfEach(services: number): readonly Provider[] {
  return Array.from({ length: services }, (_, at) =>
    [at, at + 1].map((process) => ({
      service: `org.example.Service${String(at).padStart(2, "0")}`,
      address: `10.42.0.${(process % 6) + 1}`,
      port: 20_880,
    })),
  ).flat();
}
