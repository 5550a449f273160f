import { apiVersionOf, type ObjectKey, objectKey, resources } from "../../kube/resources.ts";
import type { VirtualService } from "../../model/istio.ts";
import type { Stored } from "../../model/kubernetes.ts";
import { printable } from "../../model/problems.ts";
import { type Refusal, refusalReasons } from "../../translate/dubbo-rules.ts";
import type { Tools } from "../writes/object-writer.ts";

/** It is refused; a subset in force is gone; a subset has no endpoints, so that its calls fail. */
type Reason = "RuleRefused" | "SubsetVanished" | "SubsetEmpty";
const reasons: readonly Reason[] = ["RuleRefused", "SubsetVanished", "SubsetEmpty"];

interface Told {
  readonly text: string;
  readonly refused: Refusal["reason"] | undefined;
}

const maxMessage = 500;

/** What VirtualServices are told, each thing once for as long as it is so. */
export class RuleNotices {
  readonly #events: Tools["events"];
  readonly #told = new Map<string, Told>();

  constructor(events: Tools["events"]) {
    this.#events = events;
  }

  /** How many VirtualServices are refused, by the reason. */
  get counts(): Readonly<Record<Refusal["reason"], number>> {
    const counts = Object.fromEntries(refusalReasons.map((reason) => [reason, 0]));
    for (const { refused } of this.#told.values())
      if (refused !== undefined) counts[refused] = (counts[refused] ?? 0) + 1;
    return counts as Record<Refusal["reason"], number>;
  }

  /** Another version of it, or another service, is judged anew. */
  forget(virtualService: ObjectKey): void {
    for (const reason of reasons) this.#told.delete(`${virtualService} ${reason}`);
  }

  /** undefined = it is accepted. */
  refuse(one: Stored<VirtualService>, refusal: Refusal | undefined): void {
    const text = refusal && `${refusal.reason}: ${refusal.field} ${refusal.detail}; nothing has changed`;
    this.tell(one, "RuleRefused", text, refusal?.reason);
  }

  /** undefined = there is nothing to tell of. */
  tell(
    one: Stored<VirtualService>,
    reason: Reason,
    text: string | undefined,
    refused?: Refusal["reason"],
  ): void {
    const key = `${objectKey(one)} ${reason}`;
    if (text === undefined) {
      this.#told.delete(key);
      return;
    }
    if (this.#told.get(key)?.text === text) return;
    this.#told.set(key, { text, refused });
    const { kind } = resources.virtualServices;
    const object = { ...one, apiVersion: apiVersionOf(resources.virtualServices), kind };
    const message = printable(text).slice(0, maxMessage);
    this.#events.record({ object, type: "Warning", reason, message });
  }
}
