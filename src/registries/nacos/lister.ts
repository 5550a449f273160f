import * as z from "zod";
import { RegistryError } from "../../model/errors.ts";
import type { NamingClient } from "./naming.ts";
import type { ServiceKey } from "./service-name.ts";

/** Names every service of the namespace that is to be read. @throws RegistryError when it cannot name all of them. */
export type Lister = () => Promise<readonly ServiceKey[]>;

/** The services of these groups. A group that does not exist is empty. */
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
 * The groups of a namespace, as a server of 3.x names them: services come in batches, then the end, then each new one.
 * They are only added to: a group whose services are gone lists none.
 * Source: alibaba/nacos, NamingFuzzyWatchSyncRequest; measured on 3.1.0.
 */
export class NamedGroups {
  readonly #groups = new Set<string>();
  readonly #complete = Promise.withResolvers<void>();
  readonly #changed: () => void;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** Once every service that existed has been named. */
  get complete(): Promise<void> {
    return this.#complete.promise;
  }

  get names(): Iterable<string> {
    return this.#groups;
  }

  /** Any push; those about something else are left alone. */
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

/** Which groups there are cannot be told; a listing without some of them would look as if they were gone. */
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
