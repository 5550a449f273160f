/** The namespaces of an `exportTo`, in one spelling; none where it means all. */
export function exportToOf(names: readonly string[]): { readonly exportTo?: readonly string[] } {
  return names.length === 0 || names.includes("*") ? {} : { exportTo: [...new Set(names)].sort() };
}
