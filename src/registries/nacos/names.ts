import * as z from "zod";
import { RegistryError } from "../../model/errors.ts";
import type { Problem } from "../../model/problems.ts";
import { listOf } from "../../runtime/json.ts";
import { inParallel } from "../transport/parallel.ts";
import type { HttpApi } from "./http-api.ts";
import { isRefusal, listError, maxInFlight, type NamingClient, type Refusal } from "./requests.ts";
import { errorCodes } from "./response.ts";
import type { ServiceKey } from "./service-name.ts";
import type { ServiceList } from "./subscriptions.ts";

/** Lists every service of the namespace that must be read. @throws RegistryError when it cannot list all of them. */
export type Lister = () => Promise<ServiceList>;

/** Lists the services of these groups; one that does not exist is empty. */
export function listGroups(client: NamingClient, server: string, groups: readonly string[]): Lister {
  return async () => {
    const keys: ServiceKey[] = [];
    await inParallel(groups, maxInFlight, async (group) => {
      const names = await client.list(group);
      if (isRefusal(names)) throw listError(server, `list group ${group}`, names);
      for (const name of names) keys.push({ group, name });
    });
    return { keys };
  };
}

const entries = listOf(z.object({ name: z.string(), groupName: z.string() })).nullish();
/** A list that is shorter than it says is none. */
const catalogForm = z
  .object({ count: z.int(), serviceList: entries })
  .refine(({ count, serviceList }) => (serviceList ?? []).length >= count);
const adminForm = z.object({
  data: z
    .object({ totalCount: z.int(), pageItems: entries })
    .refine(({ totalCount, pageItems }) => (pageItems ?? []).length >= totalCount),
});
/** Everything in one page: pages of a list that changes meanwhile missed 73 services at once, one page none (measured). */
const onePage = { pageNo: "1", pageSize: "100000" };

/** Lists all groups of a 2.x. `hasIpCount: false` includes services without an instance. */
export function listCatalog(api: HttpApi, namespaceId: string): Lister {
  const query = { ...onePage, hasIpCount: "false", withInstances: "false", namespaceId };
  return async () => {
    const { serviceList } = await api("/v1/ns/catalog/services", query, catalogForm);
    return { keys: keysOf(serviceList) };
  };
}

/**
 * Lists all groups of a 3.x, which wants a login for that. With services that have no instance the list fails while
 * services come and go (measured on 3.1.0).
 */
export function listAsAdmin(api: HttpApi, namespaceId: string): Lister {
  const query = { ...onePage, ignoreEmptyService: "true", namespaceId };
  return async () => {
    const { data } = await api("/v3/admin/ns/service/list", query, adminForm);
    return { keys: keysOf(data.pageItems), lacksEmpty: true };
  };
}

function keysOf(found: z.output<typeof entries>): readonly ServiceKey[] {
  return (found ?? []).map(({ name, groupName }) => ({ group: groupName, name }));
}

const changeSchema = z.object({ serviceKey: z.string(), changedType: z.string().nullish() });
const syncSchema = z.object({ syncType: z.string(), contexts: listOf(changeSchema).nullish() });
/** To who watches all services. A server's default. */
const maxNamed = 500;

/**
 * The services of a namespace, as a 3.x server names them to who watches all: they come in batches, then an end mark,
 * then each change. It names fewer than 500, and says nothing of those beyond.
 * Source: alibaba/nacos, NamingFuzzyWatchSyncRequest; measured on 3.1.0.
 */
export class NamedServices {
  readonly #names = new Map<string, Set<string>>();
  readonly #complete = Promise.withResolvers<void>();
  readonly #changed: () => void;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** Resolves once the server has named every existing service. */
  get complete(): Promise<void> {
    return this.#complete.promise;
  }

  /** Takes any push and ignores unrelated ones. */
  push(type: string, body: unknown): void {
    if (type === "NamingFuzzyWatchSyncRequest") {
      const { syncType, contexts } = syncSchema.safeParse(body).data ?? {};
      for (const change of contexts ?? []) this.#take(change);
      if (syncType === "FINISH_FUZZY_WATCH_INIT_NOTIFY") this.#complete.resolve();
    } else if (type === "NamingFuzzyWatchChangeNotifyRequest") {
      const change = changeSchema.safeParse(body).data;
      if (change !== undefined) this.#take(change);
      this.#changed();
    }
  }

  /**
   * Lists the services of every group that was ever named. Of a group that the server refuses to list, as one with an
   * odd name, it lists those that were named.
   */
  lister(client: NamingClient, server: string): Lister {
    return async () => {
      const keys: ServiceKey[] = [];
      await inParallel(this.#names, maxInFlight, async ([group, named]) => {
        const names = await client.list(group);
        if (isRefusal(names) && names.refused === errorCodes.forbidden)
          throw listError(server, `list group ${group}`, names);
        for (const name of isRefusal(names) ? named : names) keys.push({ group, name });
      });
      return keys.length < maxNamed ? { keys } : { keys, problem: tooManyNamed };
    };
  }

  /** `namespace@@group@@service`. Groups are only added; one whose services are gone lists none. */
  #take({ serviceKey, changedType }: z.output<typeof changeSchema>): void {
    const [, group, name] = serviceKey.split("@@");
    if (!group || !name) return;
    const names = this.#names.get(group) ?? new Set();
    this.#names.set(group, names);
    if (changedType === "DELETE_SERVICE") names.delete(name);
    else names.add(name);
  }
}

const howToName =
  "Name the groups in spec.nacos.groups, for example [DEFAULT_GROUP], or give the hub a login that may read all groups (spec.secretRef)";

const tooManyNamed: Problem = {
  at: "groups",
  code: "Hidden",
  detail: `without a login the server names fewer than ${maxNamed} services, so those of other groups may be missing. ${howToName}`,
  severity: "warning",
};

/** Why a 3.x does not name its services. */
export function notNamed(server: string, { refused }: Refusal): RegistryError {
  if (refused === errorCodes.forbidden)
    return groupsUnknown("RegistryUnauthorized", server, "the account may not read all groups");
  const isLimit = errorCodes.fuzzyWatchLimits.some((code) => code === refused);
  const why = isLimit
    ? `without a login the server names fewer than ${maxNamed} services`
    : "the server does not name them";
  return groupsUnknown("RegistryBadResponse", server, why);
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
  return new RegistryError(code, detail, `${howToName}.`);
}
