import type { Credentials } from "../model/hub.ts";
import type { KubeClient } from "./client.ts";
import { KubeError } from "./errors.ts";
import { type KubeObject, objectPath, resources } from "./resources.ts";

export interface Secret extends KubeObject {
  /** Base64. */
  readonly data?: Readonly<Record<string, string>>;
  /** Only in manifests; the API server converts it to `data`. */
  readonly stringData?: Readonly<Record<string, string>>;
}

/** `problem` is a sentence for the Secret's owner; it names keys, never values. */
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

/** Keys that only work together. */
const pairs = [
  ["username", "password"],
  ["tls.crt", "tls.key"],
] as const;

/**
 * Reads the credentials for a registry from a Secret. Needs only the right to `get` it.
 * @throws KubeError for everything except a missing Secret.
 */
export async function readSecret(
  client: KubeClient,
  namespace: string,
  name: string,
  signal: AbortSignal,
): Promise<SecretReading> {
  const path = objectPath(resources.secrets, { namespace, name });
  try {
    return credentialsOf(
      await client.request<Secret>({ method: "GET", path, signal }),
      `${namespace}/${name}`,
    );
  } catch (error) {
    if (error instanceof KubeError && error.status === 404)
      return { problem: `Secret ${namespace}/${name} does not exist` };
    throw error;
  }
}

/** The same for a Secret in memory; messages call it `key`. */
export function credentialsOf({ data = {}, stringData = {} }: Secret, key: string): SecretReading {
  const plain = Object.entries(stringData).map(([name, text]) => [
    name,
    Buffer.from(text).toString("base64"),
  ]);
  const all = { ...data, ...(Object.fromEntries(plain) as Record<string, string>) };
  const problem = problemOf(all);
  return problem === undefined ? { credentials: decode(all) } : { problem: `Secret ${key} ${problem}` };
}

function problemOf(data: Readonly<Record<string, string>>): string | undefined {
  const names = Object.keys(fields);
  if (!names.some((name) => name in data)) return `has none of the keys ${names.join(", ")}`;
  const broken = pairs.find(([one, other]) => one in data !== other in data);
  if (broken === undefined) return undefined;
  const [present, absent] = broken[0] in data ? broken : broken.toReversed();
  return `has the key ${present} but not ${absent}`;
}

/** Drops the line break that an editor or `echo` adds at the end of a value. */
function decode(data: Readonly<Record<string, string>>): Credentials {
  const present = Object.entries(fields).filter(([name]) => name in data);
  return Object.fromEntries(
    present.map(([name, field]) => [
      field,
      Buffer.from(data[name] ?? "", "base64")
        .toString("utf8")
        .replace(/\r?\n$/, ""),
    ]),
  );
}
