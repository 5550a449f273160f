import type { KubeClient } from "../../kube/client.ts";
import { createReflector, type Reflector, type ReflectorStatus } from "../../kube/reflector.ts";
import { type ObjectKey, objectKey, resources } from "../../kube/resources.ts";
import type { Instant } from "../../model/entry.ts";
import type { Hub } from "../../model/hub.ts";
import { sidecarLabel } from "../../model/labels.ts";
import type { MeshPod, PeerPolicy } from "../../model/mesh-pod.ts";
import type { Problem } from "../../model/problems.ts";
import type { HubStatus } from "../../model/registryhub.ts";
import { type PeerPolicies, peerPoliciesOf, speaksMtls } from "../../plan/sidecar-mtls.ts";
import { pause } from "../../runtime/clock.ts";
import type { Deps } from "../../runtime/deps.ts";
import { sharing } from "../../runtime/sharing.ts";
import { canonicalIp, meshPodOf, peerPolicyOf } from "../../translate/read-back/mesh-pod.ts";
import { type IdentityList, identityUnknown, obstacleTo } from "./identity-warning.ts";
import { MtlsLook, type MtlsLookContext } from "./mtls-look.ts";
import { PodsByIp } from "./pods-by-ip.ts";

/** So long nobody knows of an address that a pod has given back: the registry hears of its end later. */
const goneCountsMs = 60_000;
const lookEveryMs = 5_000;
/** Equal traits are held once; of templates that nobody uses any more, at most so many are. */
const maxTemplates = 1_000;

export interface SidecarsContext extends Omit<MtlsLookContext, "speaksMtls"> {
  /** `warnings` and `isStarting` may answer otherwise now. */
  changed(): void;
}

/**
 * The pods that have a sidecar, and the policies that may have it refuse mTLS: they decide which endpoints are called by
 * mTLS. To read them is an optional right; until both lists are complete and current, nothing is known.
 */
export class Sidecars {
  readonly #pods: Reflector<MeshPod>;
  readonly #policies: Reflector<PeerPolicy>;
  readonly #context: SidecarsContext;
  readonly #rootNamespace: string;
  readonly #deps: Deps;
  readonly #look: MtlsLook;
  readonly #byIp = new PodsByIp();
  /** Until when nobody knows whose an address is that a pod has given back. */
  readonly #gone = new Map<string, Instant>();
  /** Sorted when it is asked for: a long list comes in many parts. */
  #sorted: PeerPolicies | undefined;
  /** By port: under the present policies. */
  #verdicts = new WeakMap<MeshPod["traits"], Map<number, boolean>>();
  /** Since when the lists have not been current. */
  #lostAt: { readonly pods?: Instant | undefined; readonly policies?: Instant | undefined } = {};
  #state = "";

  /** @param rootNamespace where the policies for the whole mesh are. */
  constructor(client: KubeClient, rootNamespace: string, context: SidecarsContext, deps: Deps) {
    const neededFor = "only mTLS to providers that are pods with a sidecar";
    const told = { ...deps, logger: deps.logger.child({ neededFor }) };
    const { pods, peerAuthentications } = resources;
    const labelSelector = `${sidecarLabel.key}=${sidecarLabel.value}`;
    const traits = sharing<MeshPod["traits"]>(maxTemplates);
    const transform = (object: MeshPod): MeshPod =>
      meshPodOf(object, traits, this.#pods.objects.get(objectKey(object)));
    this.#pods = createReflector(client, pods, { labelSelector, transform }, told);
    this.#policies = createReflector<PeerPolicy>(
      client,
      peerAuthentications,
      { transform: peerPolicyOf },
      told,
    );
    this.#context = context;
    this.#rootNamespace = rootNamespace;
    this.#deps = deps;
    const speaks: MtlsLookContext["speaksMtls"] = (endpoint) => this.speaksMtls(endpoint);
    this.#look = new MtlsLook({ ...context, speaksMtls: speaks }, deps.clock);
  }

  /**
   * Whether a pod with a sidecar has the address and speaks mTLS at the port; undefined = that is not known now: an endpoint
   * stays as it is, and a new one is called in plain text.
   */
  speaksMtls({ address, port }: { readonly address: string; readonly port: number }): boolean | undefined {
    if (!this.#isKnown) return undefined;
    const ip = canonicalIp(address);
    const verdicts = new Set(this.#byIp.at(ip).map(({ traits }) => this.#verdict(traits, port)));
    if (verdicts.size === 0) return this.#gone.has(ip) ? undefined : false;
    return verdicts.size === 1 ? verdicts.has(true) : undefined;
  }

  /** Whether the first lists are still on their way: to write new endpoints before would cost STRICT providers their calls. */
  get isStarting(): boolean {
    return [this.#pods.status, this.#policies.status].some(isStarting);
  }

  /** As `identityUnknown`. */
  warnings(
    hub: Pick<Hub, "identity" | "target">,
    previous: Pick<HubStatus, "problems"> | undefined,
  ): readonly Problem[] {
    return identityUnknown(hub, this.#lists(), this.#deps.clock.monotonic(), previous);
  }

  /** Lists and watches until `signal` aborts. @throws only on a bug. */
  async run(signal: AbortSignal): Promise<void> {
    this.#pods.subscribe((keys) => {
      for (const key of keys) this.#take(key);
      this.#lookAtState();
    });
    this.#policies.subscribe((keys) => {
      if (keys.size > 0) this.#takePolicies();
      this.#lookAtState();
    });
    this.#lookAtState();
    const loops = [this.#pods, this.#policies, this.#look].map((loop) => loop.run(signal));
    await Promise.all([...loops, this.#forget(signal)]);
  }

  get #isKnown(): boolean {
    return this.#pods.status.state === "synced" && this.#policies.status.state === "synced";
  }

  /** Those that matter: without a pod that has a sidecar, nobody misses a type of Istio's. */
  #lists(): readonly IdentityList[] {
    const pods = { resource: resources.pods, status: this.#pods.status, lostAt: this.#lostAt.pods };
    const { status } = this.#policies;
    const policies = { resource: resources.peerAuthentications, status, lostAt: this.#lostAt.policies };
    const hasNone = pods.status.state === "synced" && this.#pods.objects.size === 0;
    const isTypeMissing = status.state !== "synced" && status.error?.reason === "ResourceTypeMissing";
    return hasNone && isTypeMissing ? [pods] : [pods, policies];
  }

  /** Once both lists are complete again, endpoints that came meanwhile may have to be called otherwise. */
  #lookAtState(): void {
    const now = this.#deps.clock.monotonic();
    const lostAt = (since: Instant | undefined, { state }: ReflectorStatus): Instant | undefined =>
      state === "synced" ? undefined : (since ?? now);
    this.#lostAt = {
      pods: lostAt(this.#lostAt.pods, this.#pods.status),
      policies: lostAt(this.#lostAt.policies, this.#policies.status),
    };
    const obstacles = this.#lists().map((list) => `${obstacleTo(list, now)} ${statusText(list.status)}`);
    const state = obstacles.join();
    if (state === this.#state) return;
    this.#state = state;
    if (this.#isKnown) this.#look.askAll();
    this.#context.changed();
  }

  #takePolicies(): void {
    this.#sorted = undefined;
    this.#verdicts = new WeakMap();
    this.#look.askAll();
  }

  #take(key: ObjectKey): void {
    const { had, has, isSame } = this.#byIp.take(key, this.#pods.objects.get(key));
    if (isSame) return; // every probe of a pod is another version of it
    const until = this.#deps.clock.monotonic() + goneCountsMs;
    for (const ip of had) if (!has.includes(ip)) this.#gone.set(ip, until);
    this.#look.ask([...had, ...has]);
  }

  #verdict(traits: MeshPod["traits"], port: number): boolean {
    const known = this.#verdicts.get(traits) ?? new Map<number, boolean>();
    this.#verdicts.set(traits, known);
    this.#sorted ??= peerPoliciesOf([...this.#policies.objects.values()]);
    const verdict = known.get(port) ?? speaksMtls(traits, port, this.#sorted, this.#rootNamespace);
    known.set(port, verdict);
    return verdict;
  }

  async #forget(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await pause(this.#deps.clock, lookEveryMs, signal);
      const now = this.#deps.clock.monotonic();
      const over = [...this.#gone].filter(([, until]) => until <= now).map(([ip]) => ip);
      for (const ip of over) this.#gone.delete(ip);
      this.#look.ask(over);
      if (!this.#isKnown) this.#lookAtState(); // a list may be late by now
    }
  }
}

const statusText = (status: ReflectorStatus): string =>
  `${status.state} ${status.state === "synced" ? "" : (status.error?.message ?? "")}`;

const isStarting = (status: ReflectorStatus): boolean =>
  status.state === "pending" && status.error === undefined;
