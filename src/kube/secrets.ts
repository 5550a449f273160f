import type { Credentials } from "../model/hub.ts";
import type { KubeClient } from "./client.ts";
import { KubeError } from "./errors.ts";
import { type KubeObject, objectPath, resources } from "./resources.ts";

interface Secret extends KubeObject {
  /** Base64. */
  readonly data?: Readonly<Record<string, string>>;
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

/** Keys that are of no use alone. */
const pairs = [
  ["username", "password"],
  ["tls.crt", "tls.key"],
] as const;

/**
 * What a Secret says about how to log in to a registry. Needs the right to `get` it, no more.
 * @throws KubeError for everything but a Secret that is missing.
 */
export async function readSecret(
  client: KubeClient,
  namespace: string,
  name: string,
  signal: AbortSignal,
): Promise<SecretReading> {
  const path = objectPath(resources.secrets, { namespace, name });
  try {
    const { data = {} } = await client.request<Secret>({ method: "GET", path, signal });
    const problem = problemOf(data);
    return problem === undefined
      ? { credentials: decode(data) }
      : { problem: `Secret ${namespace}/${name} ${problem}` };
  } catch (error) {
    if (error instanceof KubeError && error.status === 404)
      return { problem: `Secret ${namespace}/${name} does not exist` };
    throw error;
  }
}

function problemOf(data: Readonly<Record<string, string>>): string | undefined {
  const names = Object.keys(fields);
  if (!names.some((name) => name in data)) return `has none of the keys ${names.join(", ")}`;
  const broken = pairs.find(([one, other]) => one in data !== other in data);
  if (broken === undefined) return undefined;
  const [present, absent] = broken[0] in data ? broken : broken.toReversed();
  return `has the key ${present} but not ${absent}`;
}

/** The line end that an editor or `echo` leaves behind is no part of a value. */
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
