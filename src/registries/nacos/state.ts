import { isDeepStrictEqual } from "node:util";
import type { Problem } from "../../model/problems.ts";
import { isSameListing, type Service, type Snapshot } from "../../model/service.ts";
import { type Forbidden, Group, type GroupOptions } from "./group.ts";
import type { ServiceInfo } from "./service-info.ts";
import type { ServiceKey } from "./service-name.ts";

/** All services of one namespace, whichever transport read them. */
export class ServiceTable {
  readonly #options: Omit<GroupOptions, "group">;
  readonly #groups = new Map<string, Group>();
  #published: Snapshot | undefined;

  constructor(options: Omit<GroupOptions, "group">) {
    this.#options = options;
  }

  /** Sets the current state of a service for the next `publish`; undefined = it is gone. */
  set({ group, name }: ServiceKey, read: ServiceInfo | Forbidden | undefined): void {
    const known = this.#groups.get(group) ?? new Group({ ...this.#options, group });
    this.#groups.set(group, known);
    known.set(name, read);
  }

  /**
   * A snapshot of everything that was set; undefined = unchanged since the last one. `isRetry` = asks again for
   * applications' metadata that was not available. @throws RegistryError from `config`.
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
