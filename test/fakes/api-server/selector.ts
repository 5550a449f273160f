import type { ApiRequest } from "./request.ts";
import type { Stored } from "./types.ts";

/** Which objects a list or watch is about: its namespace and selectors. */
export function selects({ namespace, query }: ApiRequest): (object: Stored) => boolean {
  const labels = termsOf(query.labelSelector);
  const fields = termsOf(query.fieldSelector);
  return ({ metadata, reason, source }) =>
    (namespace === "" || metadata.namespace === namespace) &&
    labels.every((term) => holds(term, metadata.labels ?? {})) &&
    fields.every((term) =>
      holds(term, {
        "metadata.name": metadata.name,
        "metadata.namespace": metadata.namespace ?? "",
        ...(typeof reason === "string" && { reason }), // of Events
        ...(componentOf(source) !== undefined && { source: componentOf(source) ?? "" }),
      }),
    );
}

/** The reporter of an Event. */
function componentOf(source: unknown): string | undefined {
  const { component } = (source ?? {}) as { readonly component?: unknown };
  return typeof component === "string" ? component : undefined;
}

const termsOf = (selector = ""): readonly string[] => selector.split(",").filter((term) => term !== "");

/** `key=value`, `key==value`, `key!=value`, `key`, `!key`. */
function holds(term: string, values: Readonly<Record<string, string>>): boolean {
  const [, key = "", operator, value] = /^([^!=]+)(!=|==?)(.*)$/.exec(term) ?? [];
  if (operator === undefined) return term.startsWith("!") ? !(term.slice(1) in values) : term in values;
  return (values[key] === value) !== (operator === "!=");
}
