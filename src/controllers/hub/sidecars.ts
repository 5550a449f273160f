import type { KubeClient } from "../../kube/client.ts";
import { createReflector, obstacleOf, type Reflector, type ReflectorStatus } from "../../kube/reflector.ts";
import { type ObjectKey, resources } from "../../kube/resources.ts";
import type { Instant } from "../../model/entry.ts";
import type { Hub } from "../../model/hub.ts";
import type { KubeObject, Stored } from "../../model/kubernetes.ts";
import { sidecarLabel } from "../../model/labels.ts";
import type { MeshPod, PeerPolicy } from "../../model/mesh-pod.ts";
import type { Problem } from "../../model/problems.ts";
import type { HubStatus } from "../../model/registryhub.ts";
import { speaksMtls } from "../../plan/sidecar-mtls.ts";
import { pause } from "../../runtime/clock.ts";
import type { Deps } from "../../runtime/deps.ts";
import { sharing } from "../../runtime/sharing.ts";
import { rememberedWarnings } from "../../status/memory.ts";
import { withoutManagedFields } from "../../translate/read-back/kept.ts";
import { canonicalIp, meshPodOf, peerPolicyOf } from "../../translate/read-back/mesh-pod.ts";
import { MtlsLook, type MtlsLookContext } from "./mtls-look.ts";

/** So long the address of a pod that is gone is still its own: the registry hears of it later. */
const goneCountsMs = 60_000;
const forgetEveryMs = 5_000;
/** Equal traits are held once; of templates that nobody uses any more, at most so many are. */
const maxTemplates = 1_000;

export interface SidecarsContext extends Omit<MtlsLookContext, "speaksMtls"> {
  /** `identityUnknown` may answer otherwise now. */
  changed(): void;
}

/**
 * The pods that have a sidecar, and the policies that may have it refuse mTLS: they decide which endpoints are called by
 * mTLS. To read them is an optional right; until both lists are complete and current, nothing is known.
 */
export class Sidecars {
  readonly #pods: Reflector<MeshPod>;
  readonly #policies: Reflector<Stored<KubeObject>>;
  readonly #context: SidecarsContext;
  readonly #rootNamespace: string;
  readonly #deps: Deps;
  readonly #look: MtlsLook;
  /** The pods as they were taken last. */
  readonly #taken = new Map<ObjectKey, MeshPod>();
  readonly #byIp = new Map<string, MeshPod>();
  readonly #gone = new Map<string, { readonly pod: MeshPod; readonly until: Instant }>();
  #peerPolicies: readonly PeerPolicy[] = [];
  #state = "";

  /** @param rootNamespace where the policies for the whole mesh are. */
  constructor(client: KubeClient, rootNamespace: string, context: SidecarsContext, deps: Deps) {
    const neededFor = "only mTLS to providers that are pods with a sidecar";
    const told = { ...deps, logger: deps.logger.child({ neededFor }) };
    const { pods, peerAuthentications } = resources;
    const labelSelector = `${sidecarLabel.key}=${sidecarLabel.value}`;
    const traits = sharing<MeshPod["traits"]>(maxTemplates);
    const transform = (object: MeshPod): MeshPod => meshPodOf(object, traits);
    this.#pods = createReflector(client, pods, { labelSelector, transform }, told);
    this.#policies = createReflector(client, peerAuthentications, { transform: withoutManagedFields }, told);
    this.#context = context;
    this.#rootNamespace = rootNamespace;
    this.#deps = deps;
    const speaks: MtlsLookContext["speaksMtls"] = (endpoint) => this.speaksMtls(endpoint);
    this.#look = new MtlsLook({ ...context, speaksMtls: speaks }, deps.clock);
  }

  /** Whether a pod with a sidecar has the address and speaks mTLS at the port; undefined = that is not known now. */
  speaksMtls({ address, port }: { readonly address: string; readonly port: number }): boolean | undefined {
    if (!this.#isKnown) return undefined;
    const ip = canonicalIp(address);
    const pod = this.#byIp.get(ip) ?? this.#gone.get(ip)?.pod;
    return pod !== undefined && speaksMtls(pod.traits, port, this.#peerPolicies, this.#rootNamespace);
  }

  /**
   * A warning for a hub that leaves it to the pods how they are called, while nobody may read them. Until the API server has
   * answered, the warning of the previous status stays. Without Istio's types nobody speaks mTLS, and there is none.
   */
  identityUnknown(
    hub: Pick<Hub, "identity" | "target">,
    previous: Pick<HubStatus, "problems"> | undefined,
  ): readonly Problem[] {
    if (hub.identity === "none") return [];
    const statuses = [this.#pods.status, this.#policies.status];
    if (statuses.some((one) => one.state === "pending" && one.error === undefined))
      return rememberedWarnings("IdentityUnknown", previous);
    const obstacle = statuses
      .map(obstacleOf)
      .find((one) => one !== undefined && one.reason !== "ResourceTypeMissing");
    if (obstacle === undefined) return [];
    const detail = `new endpoints are called in plain text, which STRICT providers refuse, and the others as before, because the operator cannot read which providers have a sidecar: ${obstacle.message}; grant its ServiceAccount the rights of ClusterRole registryhub-identity, or set spec.identity: none`;
    return [{ at: hub.target, code: "IdentityUnknown", detail, severity: "warning" }];
  }

  /** Lists and watches until `signal` aborts. @throws only on a bug. */
  async run(signal: AbortSignal): Promise<void> {
    this.#pods.subscribe((keys) => {
      for (const key of keys) this.#take(key);
      this.#lookAtState();
    });
    this.#policies.subscribe((keys) => {
      this.#peerPolicies = this.#policies.objects.values().map(peerPolicyOf).toArray();
      if (keys.size > 0) this.#look.askAll();
      this.#lookAtState();
    });
    const loops = [this.#pods, this.#policies, this.#look].map((loop) => loop.run(signal));
    await Promise.all([...loops, this.#forget(signal)]);
  }

  get #isKnown(): boolean {
    return this.#pods.status.state === "synced" && this.#policies.status.state === "synced";
  }

  /** Once both lists are complete again, endpoints that came meanwhile may have to be called otherwise. */
  #lookAtState(): void {
    const state = [this.#pods, this.#policies].map(({ status }) => statusText(status)).join();
    if (state === this.#state) return;
    this.#state = state;
    if (this.#isKnown) this.#look.askAll();
    this.#context.changed();
  }

  #take(key: ObjectKey): void {
    const before = this.#taken.get(key);
    const after = this.#pods.objects.get(key);
    if (after === undefined) this.#taken.delete(key);
    else this.#taken.set(key, after);
    const isSame = before?.traits === after?.traits && before?.ips.join() === after?.ips.join();
    for (const ip of before?.ips ?? []) if (this.#byIp.get(ip) === before) this.#byIp.delete(ip);
    if (after !== undefined) for (const ip of after.ips) this.#byIp.set(ip, after);
    if (isSame) return; // every probe of a pod is another version of it
    if (before !== undefined && after === undefined) this.#remember(before);
    this.#look.ask([...(before?.ips ?? []), ...(after?.ips ?? [])]);
  }

  #remember(pod: MeshPod): void {
    const until = this.#deps.clock.monotonic() + goneCountsMs;
    for (const ip of pod.ips) this.#gone.set(ip, { pod, until });
  }

  async #forget(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await pause(this.#deps.clock, forgetEveryMs, signal);
      const now = this.#deps.clock.monotonic();
      const over = [...this.#gone].filter(([, { until }]) => until <= now).map(([ip]) => ip);
      for (const ip of over) this.#gone.delete(ip);
      this.#look.ask(over);
    }
  }
}

const statusText = (status: ReflectorStatus): string =>
  `${status.state} ${status.state === "synced" ? "" : (status.error?.message ?? "")}`;
