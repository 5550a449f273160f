import type { Credentials } from "../../model/hub.ts";
import type { KubeObject } from "../../model/kubernetes.ts";
import { fieldsOf } from "./json.ts";

/** A Secret from the API server, or from a file that a person wrote. */
export interface StoredSecret extends KubeObject {
  /** Absent in a manifest: Opaque. */
  readonly type?: unknown;
  /** By key, in base64. */
  readonly data?: unknown;
  /** By key, as plain text. Only in manifests; the API server converts it to `data`. */
  readonly stringData?: unknown;
}

/** `problem` continues the sentence "Secret x …" for the Secret's owner; it names keys, never values. */
export type SecretReading = { readonly credentials: Credentials } | { readonly problem: string };

/** Key of the Secret -> field of Credentials. */
const fields = {
  username: "username",
  password: "password",
  token: "token",
  "ca.crt": "caCert",
  "tls.crt": "clientCert",
  "tls.key": "clientKey",
} as const satisfies Record<string, keyof Credentials>;

const keys = Object.keys(fields) as (keyof typeof fields)[];

/** Keys that only work together. */
const pairs = [
  ["username", "password"],
  ["tls.crt", "tls.key"],
] as const;

/**
 * Credentials of the cluster itself. Whoever may create a hub chooses the server that receives its Secret, and must not
 * get these by that. Source: k8s.io/api/core/v1/types.go (SecretType).
 */
const typesOfTheCluster: readonly unknown[] = [
  "kubernetes.io/service-account-token",
  "bootstrap.kubernetes.io/token",
];

/** Reads the credentials for a registry. An empty value counts as none. */
export function readCredentials({ type, data, stringData }: StoredSecret): SecretReading {
  if (typesOfTheCluster.includes(type))
    return {
      problem: `is of type ${String(type)}, whose content no registry may get; copy what the registry needs into a Secret of type Opaque`,
    };
  const [encoded, plain] = [fieldsOf(data), fieldsOf(stringData)];
  const values = new Map<keyof typeof fields, string>();
  for (const key of keys) {
    const [value, encoding] = Object.hasOwn(plain, key)
      ? [plain[key], "utf8" as const]
      : [encoded[key], "base64" as const];
    if (value === undefined || value === null) continue;
    if (typeof value !== "string") return { problem: `has a value that is not a text at ${key}` };
    const text = decoded(value, encoding);
    if (text !== "") values.set(key, text);
  }
  if (values.size === 0) return { problem: `has none of the keys ${keys.join(", ")}` };
  for (const pair of pairs) {
    const present = pair.find((key) => values.has(key));
    const absent = pair.find((key) => !values.has(key));
    if (present && absent) return { problem: `has the key ${present} but not ${absent}` };
  }
  return { credentials: Object.fromEntries([...values].map(([key, value]) => [fields[key], value])) };
}

/** Drops the line break that an editor or `echo` adds at the end of a value. */
function decoded(value: string, encoding: "utf8" | "base64"): string {
  return Buffer.from(value, encoding)
    .toString("utf8")
    .replace(/\r?\n$/, "");
}
