import type { Hub, HubKey } from "../../model/hub.ts";
import type { HubStatus } from "../../model/registryhub.ts";
import { nothingRemembered, type RememberedTrust, rememberedTrust } from "../../status/memory.ts";
import { isSameRegistry } from "./edits.ts";

/** A status, with the hub that it describes; undefined = the status is of an earlier or an unreadable spec. */
interface Memory {
  readonly hub: Hub | undefined;
  readonly status: HubStatus;
}

/** The newest status of each hub. A re-created hub inherits its origin and its hold. */
export class HubMemories {
  readonly #memories = new Map<HubKey, Memory>();

  has(key: HubKey): boolean {
    return this.#memories.has(key);
  }

  statusOf(key: HubKey): HubStatus | undefined {
    return this.#memories.get(key)?.status;
  }

  /** Takes in the status that the cluster has of a hub; `hub` is undefined if its spec cannot be read. */
  remember(key: HubKey, hub: Hub | undefined, status: HubStatus | undefined): void {
    if (status === undefined) return;
    if (status.observedGeneration === hub?.generation) this.#memories.set(key, { hub, status });
    else if (!this.#memories.has(key)) this.#memories.set(key, { hub: undefined, status });
  }

  forget(key: HubKey): void {
    this.#memories.delete(key);
  }

  /**
   * The trust of a hub that gets a session: from its status, or from this process if the hub was re-created or
   * unserved; nothing if a re-created hub has another registry.
   */
  trustOf(hub: Hub, status: HubStatus | undefined, wasUnserved: boolean): RememberedTrust {
    const before = this.#memories.get(hub.key);
    if (status !== undefined && !wasUnserved) return rememberedTrust(status, hub);
    if (before?.hub !== undefined && isSameRegistry(before.hub, hub))
      return rememberedTrust(before.status, { ...hub, generation: before.status.observedGeneration });
    return wasUnserved ? rememberedTrust(status, hub) : nothingRemembered;
  }
}
