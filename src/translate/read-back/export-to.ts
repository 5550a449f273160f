import type { ServiceEntry } from "../../model/istio.ts";
import type { Stored } from "../../model/kubernetes.ts";
import { fieldsOf, textsOf } from "./json.ts";

/** The namespaces of an `exportTo`, in one spelling; none where it means all. */
export function exportToOf(names: readonly string[]): { readonly exportTo?: readonly string[] } {
  return names.length === 0 || names.includes("*") ? {} : { exportTo: [...new Set(names)].sort() };
}

/**
 * The namespaces in which an entry can be seen; undefined = in all. "~" is nobody, which no hub asks for: an entry that
 * somebody hid so counts as one for all, because it is about to be repaired.
 */
export function exportedTo({ metadata, spec }: Stored<ServiceEntry>): readonly string[] | undefined {
  const { exportTo = [] } = exportToOf(textsOf(fieldsOf(spec).exportTo));
  const names = exportTo.filter((name) => name !== "~");
  const own = metadata.namespace ?? "";
  return names.length === 0 ? undefined : [...new Set(names.map((name) => (name === "." ? own : name)))];
}
