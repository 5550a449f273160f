import type { Lease } from "../../../src/kube/lease.ts";
import type { ObjectKey } from "../../../src/kube/resources.ts";
import type { DestinationRule, EnvoyFilter, ServiceEntry, VirtualService } from "../../../src/model/istio.ts";
import { splitKey } from "../../../src/model/keys.ts";
import type { RegistryHub } from "../../../src/model/registryhub.ts";
import type { Answer } from "./answer.ts";
import { copied } from "./fields.ts";
import type { History } from "./history.ts";
import type { ApiRequest } from "./request.ts";
import { type ApiType, apiTypes, type Stored } from "./types.ts";

/** What an object of each resource looks like to a test. */
export interface Kinds {
  readonly registryhubs: RegistryHub;
  readonly serviceentries: ServiceEntry;
  readonly envoyfilters: EnvoyFilter;
  readonly destinationrules: DestinationRule;
  readonly virtualservices: VirtualService;
  readonly secrets: Secret;
  readonly leases: Lease;
  readonly peerauthentications: Stored;
  readonly pods: Stored;
  readonly namespaces: Stored;
  readonly services: Stored;
  readonly configmaps: Stored;
  readonly podtemplates: Stored;
  readonly events: Event;
}

export interface Secret extends Stored {
  /** Base64. */
  readonly data?: Readonly<Record<string, string>>;
}

/** Of a core Event what tests read. */
export interface Event extends Stored {
  readonly reason: string;
  readonly message: string;
  readonly count: number;
  readonly involvedObject: {
    readonly kind?: string;
    readonly namespace?: string;
    readonly name: string;
    readonly uid?: string;
  };
}

/** Somebody with kubectl and all rights. Everything happens at once. @throws Error with the server's words. */
export interface Person {
  /** Of all namespaces or one, in order. */
  list<K extends keyof Kinds>(resource: K, namespace?: string): readonly Kinds[K][];
  get<K extends keyof Kinds>(resource: K, key: ObjectKey): Kinds[K] | undefined;
  /** Creates the object, or replaces all of it but its status. Its kind says where it belongs. */
  put<T extends { readonly kind?: string; readonly metadata: object }>(object: T): T;
  /** Replaces the object by what the function makes of it. */
  edit<K extends keyof Kinds>(resource: K, key: ObjectKey, change: (object: Kinds[K]) => object): Kinds[K];
  /** The same of its status. */
  editStatus<K extends keyof Kinds>(
    resource: K,
    key: ObjectKey,
    change: (object: Kinds[K]) => object,
  ): Kinds[K];
  delete(resource: keyof Kinds, key: ObjectKey): void;
  createNamespace(name: string, annotations?: Readonly<Record<string, string>>): void;
  /** With all that is in it, as kube-controller-manager does. */
  deleteNamespace(name: string): void;
}

interface Place {
  readonly manager: string;
  serve(request: ApiRequest): Answer;
  typeOf(plural: string): ApiType;
  readonly history: History;
}

export function createPerson({ manager, serve, typeOf, history }: Place): Person {
  function ask(
    verb: ApiRequest["verb"],
    type: ApiType,
    key: ObjectKey,
    more: Partial<ApiRequest> = {},
  ): Stored {
    const [namespace, name] = type.isNamespaced ? splitKey(key) : ["", key];
    const { group, versions, plural: resource } = type;
    const version = versions.at(-1) ?? "";
    const whom = { user: "person", userAgent: manager, manager };
    const rest = { subresource: "", query: {}, contentType: "application/json", body: undefined, ...whom };
    const { code, body } = serve({
      verb,
      group,
      version,
      resource,
      namespace,
      name,
      ...rest,
      ...more,
      body: copied(more.body),
    });
    if (code >= 300) throw new Error((body as { message?: string }).message ?? String(body));
    return structuredClone(body) as Stored;
  }

  const find = (type: ApiType, key: ObjectKey): Stored | undefined =>
    history.objects(type).has(key) ? ask("get", type, key) : undefined;

  function replace(
    resource: string,
    key: ObjectKey,
    change: (object: never) => object,
    subresource: string,
  ): Stored {
    const type = typeOf(resource);
    const body = change(ask("get", type, key) as never);
    return ask("update", type, key, { body, subresource });
  }

  const person: Person = {
    list: (resource, namespace = "") => {
      const { items } = ask("list", typeOf(resource), `${namespace}/`, { namespace, name: "" }) as never as {
        items: Stored[];
      };
      return items as never;
    },
    get: (resource, key) => find(typeOf(resource), key) as never,
    put(object) {
      const type = apiTypes.find(({ kind }) => kind === object.kind);
      if (type === undefined)
        throw new Error(`the fake API server does not know the kind ${object.kind ?? ""}`);
      const { namespace, name } = object.metadata as Stored["metadata"];
      const key = namespace === undefined ? name : `${namespace}/${name}`;
      const live = find(type, key);
      if (live === undefined) return ask("create", type, key, { body: object, name: "" }) as never;
      const { uid, creationTimestamp, generation } = live.metadata;
      const metadata = { ...object.metadata, uid, creationTimestamp, generation, resourceVersion: undefined };
      return ask("update", type, key, { body: { ...object, metadata } }) as never;
    },
    edit: (resource, key, change) => replace(resource, key, change as never, "") as never,
    editStatus: (resource, key, change) => replace(resource, key, change as never, "status") as never,
    delete: (resource, key) => void ask("delete", typeOf(resource), key),
    createNamespace: (name, annotations = {}) =>
      void person.put({ apiVersion: "v1", kind: "Namespace", metadata: { name, annotations } }),
    deleteNamespace(name) {
      for (const type of apiTypes.filter(({ isNamespaced }) => isNamespaced))
        for (const [key, { metadata }] of history.objects(type))
          if (metadata.namespace === name) ask("delete", type, key);
      ask("delete", typeOf("namespaces"), name);
      const namespace = find(typeOf("namespaces"), name);
      if (namespace !== undefined) history.remove(typeOf("namespaces"), namespace);
    },
  };
  return person;
}
