import * as z from "zod";
import { defaultGroup } from "./group.ts";
import { badAnswer, type HttpApi, isNoSuchApi, type Query, refusalError } from "./http-api.ts";
import { groupsUnknown } from "./names.ts";
import { idOf, type ServiceKey } from "./service-name.ts";

/** Lists the service names of a namespace, completely each time. */
export interface Listing {
  /** @throws RegistryError when any part of the list is unreadable. */
  read(): Promise<readonly ServiceKey[]>;
}

interface Page {
  /** Of all pages. */
  readonly count: number;
  readonly keys: readonly ServiceKey[];
}

/** One list of the API, which is read page by page. */
interface Source {
  readonly path: string;
  readonly page: (pageNo: number) => Promise<Page>;
}

/**
 * Everything in one page: pages of a list that changes meanwhile missed 73 services at once, one page none. Source:
 * measured.
 */
const pageSize = "100000";
/** Only for a server that caps its pages; at 500 a page this is 50,000 services. */
const maxPages = 100;
const maxPasses = 4;

const serviceList = z.object({ count: z.int().min(0), doms: z.array(z.string()).nullable() });
const catalog = z.object({
  count: z.int().min(0),
  serviceList: z.array(z.object({ name: z.string(), groupName: z.string().nullish() })).nullable(),
});

/**
 * Lists `groups`, [] = all of them. Only v1's catalog lists all groups, and 3.x no longer has it.
 * Source: measured, 2.3.2 lists with one right or none (`:*:naming/*`); 3.1.0 answers 410.
 * @throws RegistryError, also if it cannot list all groups, because services of the others would look as if they were
 * gone.
 */
export async function openListing(
  api: HttpApi,
  namespaceId: string,
  groups: readonly string[],
): Promise<Listing> {
  if (groups.length === 0) {
    const answer = await api.get(catalogPath, catalogQuery(namespaceId, 1, "1"));
    if (isNoSuchApi(answer))
      throw groupsUnknown(
        "RegistryBadResponse",
        api.server.name,
        "this server does not name its groups over HTTP",
      );
  }
  const sources =
    groups.length === 0
      ? [catalogSource(api, namespaceId)]
      : groups.map((group) => groupSource(api, namespaceId, group));
  return {
    async read() {
      const keys: ServiceKey[] = [];
      for (const source of sources) keys.push(...(await readWhole(api, source)));
      return keys;
    },
  };
}

const catalogPath = "/v1/ns/catalog/services";
/**
 * `hasIpCount: false` includes services without an instance: they are listed for another minute, and a subscriber
 * learns at once when they return.
 */
const catalogQuery = (namespaceId: string, pageNo: number, size: string): Query => ({
  hasIpCount: "false",
  withInstances: "false",
  pageNo: String(pageNo),
  pageSize: size,
  namespaceId,
});

function catalogSource(api: HttpApi, namespaceId: string): Source {
  return {
    path: catalogPath,
    async page(pageNo) {
      const query = catalogQuery(namespaceId, pageNo, pageSize);
      const { count, serviceList: services } = await readJson(api, catalogPath, query, catalog);
      return {
        count,
        keys: (services ?? []).map(({ name, groupName }) => keyOf(name, groupName ?? defaultGroup)),
      };
    },
  };
}

const groupPath = "/v1/ns/service/list";

function groupSource(api: HttpApi, namespaceId: string, group: string): Source {
  return {
    path: groupPath,
    async page(pageNo) {
      const query = { pageNo: String(pageNo), pageSize, namespaceId, groupName: group };
      const { count, doms } = await readJson(api, groupPath, query, serviceList);
      return { count, keys: (doms ?? []).map((name) => keyOf(name, group)) };
    },
  };
}

/** Some versions prefix the name with the group and "@@". */
function keyOf(text: string, group: string): ServiceKey {
  const at = text.indexOf("@@");
  return at < 0 ? { group, name: text } : { group: text.slice(0, at), name: text.slice(at + 2) };
}

async function readJson<T>(api: HttpApi, path: string, query: Query, schema: z.ZodType<T>): Promise<T> {
  const answer = await api.get(path, query);
  if (answer.status !== 200) throw refusalError(api, path, answer);
  let json: unknown;
  try {
    json = JSON.parse(answer.text);
  } catch {
    throw badAnswer(api, path, "the answer is not JSON");
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) throw badAnswer(api, path, "the answer is not a list of services");
  return parsed.data;
}

/**
 * A list in pages counts when two passes in a row find the same names. While as many names appear as disappear, each
 * pass has the right number but may lack one name per page. @throws RegistryError when no two passes agree.
 */
async function readWhole(api: HttpApi, source: Source): Promise<readonly ServiceKey[]> {
  let before: ReadonlyMap<string, ServiceKey> | undefined;
  for (let pass = 0; pass < maxPasses; pass++) {
    const first = await source.page(1);
    if (first.keys.length >= first.count) return first.keys;
    const found = await readPages(source, first);
    if (found !== undefined && before?.size === found.size && found.keys().every((id) => before?.has(id)))
      return [...found.values()];
    before = found;
  }
  const what = "the list has too many pages, or changes too fast for the operator to read all of it";
  throw badAnswer(api, source.path, what);
}

/** undefined = the pages are inconsistent: the count changed, or names are missing or doubled. */
async function readPages(
  { page }: Source,
  first: Page,
): Promise<ReadonlyMap<string, ServiceKey> | undefined> {
  const pages = Math.ceil(first.count / first.keys.length); // Infinity for an empty page of a non-empty list
  if (pages > maxPages) return undefined;
  const byKey = new Map(first.keys.map((key) => [idOf(key), key]));
  for (let pageNo = 2; pageNo <= pages; pageNo++) {
    const next = await page(pageNo);
    if (next.count !== first.count) return undefined;
    for (const key of next.keys) byKey.set(idOf(key), key);
  }
  return byKey.size === first.count ? byKey : undefined;
}
