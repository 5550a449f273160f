import type { KubeClient } from "../../kube/client.ts";
import { readSecret } from "../../kube/secrets.ts";
import { RegistryError } from "../../model/errors.ts";
import type { Credentials, Hub } from "../../model/hub.ts";

const nextStep = "Fix the Secret of spec.secretRef in the hub's namespace.";

/** Reads the credentials of the Secret that the hub names. @throws RegistryError SecretInvalid. */
export async function readCredentials(
  client: KubeClient,
  { namespace, secretName = "" }: Hub,
  signal: AbortSignal,
): Promise<Credentials> {
  const reading = await readSecret(client, namespace, secretName, signal).catch((error: unknown) => {
    throw new RegistryError("SecretInvalid", (error as Error).message, nextStep, { cause: error });
  });
  if ("credentials" in reading) return reading.credentials;
  throw new RegistryError("SecretInvalid", reading.problem, nextStep);
}
