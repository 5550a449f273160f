import { isDeepStrictEqual } from "node:util";
import type { ObjectKey } from "../../kube/resources.ts";
import type { MeshPod } from "../../model/mesh-pod.ts";
import { ipsOf } from "../../translate/read-back/mesh-pod.ts";

/** What has become of a pod. */
export interface PodChange {
  /** Its addresses before and now. */
  readonly had: readonly string[];
  readonly has: readonly string[];
  /** All but its version is as it was. */
  readonly isSame: boolean;
}

/** The pods with a sidecar, by address. They may be 50,000, so what is kept of each is one object, whatever finds it. */
export class PodsByIp {
  /** As they were taken last. */
  readonly #taken = new Map<ObjectKey, MeshPod>();
  /** Several pods have one address where the end of one of them has not been told yet. */
  readonly #byIp = new Map<string, MeshPod | readonly MeshPod[]>();

  at(ip: string): readonly MeshPod[] {
    const found = this.#byIp.get(ip);
    if (found === undefined) return [];
    return "traits" in found ? [found] : found;
  }

  /** Records how the pod is now; undefined = it is gone. */
  take(key: ObjectKey, after: MeshPod | undefined): PodChange {
    const before = this.#taken.get(key);
    if (after === undefined) this.#taken.delete(key);
    else this.#taken.set(key, after);
    const [had, has] = [ipsOf(before), ipsOf(after)];
    for (const ip of new Set([...had, ...has])) this.#put(ip, before, has.includes(ip) ? after : undefined);
    const isSame = before?.ips === after?.ips && isDeepStrictEqual(before?.traits, after?.traits);
    return { had, has, isSame };
  }

  #put(ip: string, before: MeshPod | undefined, after: MeshPod | undefined): void {
    const others = this.at(ip).filter((pod) => pod !== before);
    const pods = after === undefined ? others : [...others, after];
    const [first, ...more] = pods;
    if (first === undefined) this.#byIp.delete(ip);
    else this.#byIp.set(ip, more.length === 0 ? first : pods);
  }
}
