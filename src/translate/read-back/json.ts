import type { KubeObject } from "../../model/kubernetes.ts";

type Fields = Readonly<Record<string, unknown>>;
type Texts = Readonly<Record<string, string>>;

/** Whether the value is a JSON object. */
export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The fields of a JSON object; none of any other value. Ask it only for known names, because others may be inherited. */
export function fieldsOf(value: unknown): Fields {
  return isFields(value) ? value : {};
}

/** The elements of a list; none of any other value. */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The texts among the elements of a list. */
export function textsOf(value: unknown): readonly string[] {
  return listOf(value).filter((one) => typeof one === "string");
}

/** The value if it is a text. */
export function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** The value if it is a finite number. */
export function numberOf(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

/** The value if it is a whole number of things. */
export function countOf(value: unknown): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

/** The fields whose values are texts; the same object if all are, as in nearly every one. */
export function textFieldsOf(value: unknown): Texts {
  const fields = fieldsOf(value);
  const isText = (one: unknown): one is string => typeof one === "string";
  if (Object.values(fields).every(isText)) return fields as Texts;
  return Object.fromEntries(
    Object.entries(fields).flatMap(([name, one]) => (isText(one) ? [[name, one]] : [])),
  );
}

/** The object's labels. */
export function objectLabels({ metadata }: KubeObject): Texts {
  return textFieldsOf(metadata.labels);
}

/** The object's annotations. */
export function objectAnnotations({ metadata }: KubeObject): Texts {
  return textFieldsOf(metadata.annotations);
}

/** "<namespace>/<name>" of a namespaced object. */
export function objectKeyOf({ metadata }: KubeObject): string {
  return `${metadata.namespace ?? ""}/${metadata.name}`;
}
