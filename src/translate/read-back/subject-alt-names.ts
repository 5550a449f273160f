/** The names, sorted and each once; none where there are none. */
export function subjectAltNamesOf(names: readonly string[]): {
  readonly subjectAltNames?: readonly string[];
} {
  return names.length === 0 ? {} : { subjectAltNames: [...new Set(names)].sort() };
}
