import { isDeepStrictEqual } from "node:util";
import type { Problem } from "../../model/problems.ts";
import { isSameListing, type Service, type Snapshot } from "../../model/service.ts";
import { type Forbidden, Group, type GroupOptions } from "./group.ts";
import type { ServiceInfo } from "./service-info.ts";
import type { ServiceKey } from "./service-name.ts";

/** All that is known of one namespace, however it was read. */
export class ServiceTable {
  readonly #options: Omit<GroupOptions, "group">;
  readonly #groups = new Map<string, Group>();
  #published: Snapshot | undefined;

  constructor(options: Omit<GroupOptions, "group">) {
    this.#options = options;
  }

  /** What a service is now; undefined = it is gone. Counts from the next `publish` on. */
  set({ group, name }: ServiceKey, read: ServiceInfo | Forbidden | undefined): void {
    const known = this.#groups.get(group) ?? new Group({ ...this.#options, group });
    this.#groups.set(group, known);
    known.set(name, read);
  }

  /**
   * A snapshot of what was set; undefined = it says the same as the last one. `isRetry` = what could not be had of
   * applications' metadata is asked for once more. @throws RegistryError where `config` does.
   */
  async publish(isRetry: boolean): Promise<Snapshot | undefined> {
    const services = new Map<string, Service>();
    const problems: Problem[] = [];
    for (const [, group] of [...this.#groups].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      await group.refresh(isRetry);
      const { services: listed, problems: found } = group.listing;
      for (const service of listed) services.set(service.id, service);
      problems.push(...found);
    }
    const before = this.#published;
    if (isSameListing(before?.services, services) && isDeepStrictEqual(problems, before?.problems))
      return undefined;
    this.#published = { services, problems };
    return this.#published;
  }
}
