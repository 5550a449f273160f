import { parseManifests } from "../kube/manifests.ts";
import { credentialsOf, type Secret } from "../kube/secrets.ts";
import { type Credentials, type Hub, parseHub, type RegistryHub, registryTypes } from "../model/hub.ts";

/** The file is unusable for a preview. The message says why, and never holds a value of a Secret. */
export class PreviewFileError extends Error {
  override readonly name = "PreviewFileError";
}

/**
 * Reads a RegistryHub and, if it names one, its Secret. It does not check what else the API server would refuse
 * (crds/registryhub.yaml). @throws PreviewFileError.
 */
export function readPreviewFile(text: string): { readonly hub: Hub; readonly credentials: Credentials } {
  const objects = manifestsOf(text);
  const [object, ...others] = objects.filter(({ kind }) => kind === "RegistryHub") as RegistryHub[];
  if (object === undefined) throw new PreviewFileError("the file has no RegistryHub");
  if (others.length > 0)
    throw new PreviewFileError("the file has several RegistryHubs; preview one at a time");
  const hub = parseHub(wellFormed(object));
  if (hub.secretName === undefined) return { hub, credentials: {} };
  const secrets = objects.filter(({ kind }) => kind === "Secret") as unknown as Secret[];
  const secret = secrets.find(({ metadata }) => metadata.name === hub.secretName);
  if (secret === undefined) {
    const advice = "add it as another YAML document";
    throw new PreviewFileError(`the hub's Secret ${hub.secretName} is not in the file: ${advice}`);
  }
  const reading = credentialsOf(secret, hub.secretName);
  if ("problem" in reading) throw new PreviewFileError(reading.problem);
  return { hub, credentials: reading.credentials };
}

interface Manifest {
  readonly kind?: unknown;
}

function manifestsOf(text: string): readonly Manifest[] {
  let documents: readonly unknown[];
  try {
    documents = parseManifests(text);
  } catch (cause) {
    // The parser's message quotes the text, which may be a Secret's.
    throw new PreviewFileError("the file is not YAML", { cause });
  }
  return documents.flatMap((document) => {
    if (typeof document !== "object" || document === null) return [];
    const { items } = document as { readonly items?: unknown };
    return Array.isArray(items) ? (items as Manifest[]) : [document];
  });
}

/** Checks the required fields and adds kubectl's default namespace. @throws PreviewFileError. */
function wellFormed(object: RegistryHub): RegistryHub {
  const { spec, metadata } = object as Partial<RegistryHub>;
  const required = { "metadata.name": metadata?.name, ...prefixed(spec) };
  for (const [field, value] of Object.entries(required))
    if (typeof value !== "string" || value === "") throw new PreviewFileError(`${field} is missing`);
  if (!registryTypes.some((type) => type === spec?.type))
    throw new PreviewFileError(
      `spec.type ${JSON.stringify(spec?.type)} is not one of ${registryTypes.join(", ")}`,
    );
  return { ...object, metadata: { ...object.metadata, namespace: metadata?.namespace ?? "default" } };
}

const prefixed = (spec: Partial<RegistryHub["spec"]> | undefined): Record<string, unknown> => ({
  "spec.type": spec?.type,
  "spec.address": spec?.address,
  "spec.generate_to": spec?.generate_to,
});
