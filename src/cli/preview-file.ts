import { parseManifests } from "../kube/manifests.ts";
import type { Credentials, Hub } from "../model/hub.ts";
import type { KubeObject } from "../model/kubernetes.ts";
import { readHub } from "../translate/read-back/hub.ts";
import { fieldsOf, isFields, listOf, textFieldsOf } from "../translate/read-back/json.ts";
import { readCredentials, type StoredSecret } from "../translate/read-back/secret.ts";

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
  const [object, ...others] = objects.filter(({ kind }) => kind === "RegistryHub");
  if (object === undefined) throw new PreviewFileError("the file has no RegistryHub");
  if (others.length > 0)
    throw new PreviewFileError("the file has several RegistryHubs; preview one at a time");
  const hubReading = readHub(named(object));
  if ("problem" in hubReading) throw new PreviewFileError(hubReading.problem.detail);
  const { hub } = hubReading;
  if (hub.secretName === undefined) return { hub, credentials: {} };
  const secrets = objects.filter(({ kind }) => kind === "Secret").map(named);
  const secret: StoredSecret | undefined = secrets.find(({ metadata }) => metadata.name === hub.secretName);
  if (secret === undefined) {
    const advice = "add it as another YAML document";
    throw new PreviewFileError(`the hub's Secret ${hub.secretName} is not in the file: ${advice}`);
  }
  const reading = readCredentials(secret);
  if ("problem" in reading) throw new PreviewFileError(`Secret ${hub.secretName} ${reading.problem}`);
  return { hub, credentials: reading.credentials };
}

type Manifest = Readonly<Record<string, unknown>>;

function manifestsOf(text: string): readonly Manifest[] {
  let documents: readonly unknown[];
  try {
    documents = parseManifests(text);
  } catch (cause) {
    // The parser's message quotes the text, which may be a Secret's.
    throw new PreviewFileError("the file is not YAML", { cause });
  }
  const objects = documents.flatMap((document) => {
    const { items } = fieldsOf(document);
    return Array.isArray(items) ? listOf(items) : [document];
  });
  return objects.filter(isFields);
}

/** The object as the API server would store it, in kubectl's default namespace. @throws PreviewFileError without a name. */
function named(object: Manifest): KubeObject {
  const { name, namespace = "default", labels, annotations } = fieldsOf(object.metadata);
  if (typeof name !== "string" || name === "") throw new PreviewFileError("metadata.name is missing");
  if (typeof namespace !== "string") throw new PreviewFileError("metadata.namespace is not a text");
  return {
    ...object,
    metadata: { name, namespace, labels: textFieldsOf(labels), annotations: textFieldsOf(annotations) },
  };
}
