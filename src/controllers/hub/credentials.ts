import type { KubeClient } from "../../kube/client.ts";
import { readSecret } from "../../kube/secrets.ts";
import { RegistryError } from "../../model/errors.ts";
import type { Credentials, Hub } from "../../model/hub.ts";
import { readCredentials } from "../../translate/read-back/secret.ts";

/** Reads the credentials for the hub's registry from its Secret. @throws RegistryError SecretInvalid. */
export async function credentialsOf(
  client: KubeClient,
  { namespace, secretName = "" }: Pick<Hub, "namespace" | "secretName">,
  signal: AbortSignal,
): Promise<Credentials> {
  const nextStep = "Fix the Secret of spec.secretRef in the hub's namespace.";
  const secret = await readSecret(client, namespace, secretName, signal).catch((error: unknown) => {
    throw new RegistryError("SecretInvalid", (error as Error).message, nextStep, { cause: error });
  });
  const reading = secret ? readCredentials(secret) : { problem: "does not exist" };
  if ("credentials" in reading) return reading.credentials;
  throw new RegistryError("SecretInvalid", `Secret ${namespace}/${secretName} ${reading.problem}`, nextStep);
}
