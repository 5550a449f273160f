/** What somebody asks of the API server, as its authorization and admission see it. */
export interface ApiRequest {
  readonly verb: "get" | "list" | "watch" | "create" | "update" | "patch" | "delete";
  readonly group: string;
  readonly version: string;
  /** Plural, "serviceentries"; "" = the path names no type. */
  readonly resource: string;
  readonly subresource: string;
  /** "" = all, or cluster-scoped. */
  readonly namespace: string;
  /** "" = a collection. */
  readonly name: string;
  readonly query: Readonly<Record<string, string>>;
  readonly contentType: string;
  readonly body: unknown;
  readonly user: string;
  readonly userAgent: string;
  /** Who the fields will belong to: the query's fieldManager, or the first word of the User-Agent. */
  readonly manager: string;
}

/** One request as HTTP has it. */
export interface RawRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly contentType?: string;
  readonly body?: unknown;
  readonly user: string;
  readonly userAgent: string;
}

/** Source: k8s.io/apiserver/pkg/endpoints/request/requestinfo.go. */
export function parseRequest(raw: RawRequest): ApiRequest {
  const { method, path, query = {}, contentType = "application/json", body, user, userAgent } = raw;
  const [root, ...parts] = path
    .split("/")
    .filter((part) => part !== "")
    .map(decodeURIComponent);
  const group = root === "apis" ? (parts.shift() ?? "") : "";
  const version = parts.shift() ?? "";
  // A namespace itself is `namespaces/<name>`; everything else in it has one part more.
  const isInNamespace = parts[0] === "namespaces" && parts.length > 2 && parts[2] !== "status";
  const namespace = isInNamespace ? (parts[1] ?? "") : "";
  const [resource = "", name = "", subresource = ""] = namespace === "" ? parts : parts.slice(2);
  const manager = query.fieldManager ?? userAgent.split("/")[0] ?? "";
  const verb = verbOf(method, name, query.watch !== undefined);
  const where = { group, version, resource, subresource, namespace, name };
  return { verb, ...where, query, contentType, body, user, userAgent, manager };
}

function verbOf(method: string, name: string, isWatch: boolean): ApiRequest["verb"] {
  if (method === "POST") return "create";
  if (method === "PUT") return "update";
  if (method === "PATCH") return "patch";
  if (method === "DELETE") return "delete";
  if (name !== "") return "get";
  return isWatch ? "watch" : "list";
}
