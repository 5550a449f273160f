import * as z from "zod";
import { RegistryError } from "../../model/errors.ts";
import type { NamingClient } from "./requests.ts";
import type { ServiceKey } from "./service-name.ts";

/** Lists every service of the namespace that must be read. @throws RegistryError when it cannot list all of them. */
export type Lister = () => Promise<readonly ServiceKey[]>;

/** Lists the services of these groups. A group that does not exist is empty. */
export function listGroups(client: NamingClient, groups: () => Iterable<string>): Lister {
  return async () => {
    const lists = await Promise.all(
      [...groups()].map(async (group) => (await client.list(group)).map((name) => ({ group, name }))),
    );
    return lists.flat();
  };
}

const changeSchema = z.object({ serviceKey: z.string() });
const syncSchema = z.object({ syncType: z.string(), contexts: z.array(changeSchema).nullish() });

/** How long a server may take to name all services. */
export const namingMs = 10_000;

/**
 * The groups of a namespace, as a 3.x server names them: services come in batches, then an end mark, then each new
 * one.
 * Groups are only added; a group whose services are gone lists none.
 * Source: alibaba/nacos, NamingFuzzyWatchSyncRequest; measured on 3.1.0.
 */
export class NamedGroups {
  readonly #groups = new Set<string>();
  readonly #complete = Promise.withResolvers<void>();
  readonly #changed: () => void;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** Resolves once the server has named every existing service. */
  get complete(): Promise<void> {
    return this.#complete.promise;
  }

  get names(): Iterable<string> {
    return this.#groups;
  }

  /** Takes any push and ignores unrelated ones. */
  push(type: string, body: unknown): void {
    if (type === "NamingFuzzyWatchSyncRequest") {
      const { syncType, contexts } = syncSchema.parse(body);
      for (const { serviceKey } of contexts ?? []) this.#add(serviceKey);
      if (syncType === "FINISH_FUZZY_WATCH_INIT_NOTIFY") this.#complete.resolve();
    } else if (type === "NamingFuzzyWatchChangeNotifyRequest") {
      this.#add(changeSchema.parse(body).serviceKey);
      this.#changed();
    }
  }

  /** `namespace@@group@@service`. */
  #add(serviceKey: string): void {
    const [, group] = serviceKey.split("@@");
    if (group) this.#groups.add(group);
  }
}

/**
 * The error for groups that cannot be listed. A listing without some of them would look as if their services were
 * gone.
 */
export function groupsUnknown(
  code: "RegistryUnauthorized" | "RegistryBadResponse",
  server: string,
  why: string,
): RegistryError {
  const detail = `${server}: the operator cannot list the groups of the namespace: ${why}`;
  const advice =
    "Name the groups in spec.nacos.groups, for example [DEFAULT_GROUP], or grant the account the right to read all groups.";
  return new RegistryError(code, detail, advice);
}
