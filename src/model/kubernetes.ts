/** The identity and the version of an object. The API server checks these types even if it checks nothing else. */
export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  /** RFC 3339. */
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly managedFields?: readonly ManagedFields[];
}

/** The fields that one field manager has set in one way. Source: k8s.io/apimachinery/pkg/apis/meta/v1/types.go. */
export interface ManagedFields {
  readonly manager?: string;
  readonly operation?: string;
  readonly subresource?: string;
  /** RFC 3339. */
  readonly time?: string;
  readonly fieldsV1?: FieldSet;
}

/** Fields as `f:<name>`, elements of keyed lists as `k:<their keys as JSON>`; a set without either is a leaf. */
export interface FieldSet {
  readonly [path: string]: FieldSet;
}

/** The fields of every object of the Kubernetes API. Items in lists of built-in types have no apiVersion and kind. */
export interface KubeObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: ObjectMeta;
}

/**
 * An object from the API server. Its spec and status passed the schema of the day on which they were written, which may
 * have been a looser one or none, because a new CRD does not apply to stored objects. Only `translate/read-back` reads
 * them.
 */
export type Stored<T extends KubeObject> = Omit<T, "spec" | "status"> & {
  readonly spec?: unknown;
  readonly status?: unknown;
};
