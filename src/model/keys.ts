/** The two parts of "<namespace>/<rest>": of a HubKey, a HostKey, or the key of a namespaced object. */
export function splitKey(key: string): readonly [namespace: string, rest: string] {
  const slash = key.indexOf("/");
  return [key.slice(0, slash), key.slice(slash + 1)];
}
