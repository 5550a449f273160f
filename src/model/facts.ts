import type { ServiceInstance } from "./service.ts";

/** One character more than a selector compares with, so that what is cut equals nothing. */
const maxLength = 257;

/** What an instance says under the keys that its hub asks for; nothing where it says nothing under any. */
export function factsOf(
  keys: readonly string[],
  tell: (key: string) => string | undefined,
): Pick<ServiceInstance, "facts"> {
  const facts = keys.flatMap((key) => {
    const value = tell(key);
    return value === undefined ? [] : [[key, value.slice(0, maxLength)] as const];
  });
  return facts.length === 0 ? {} : { facts: Object.fromEntries(facts) };
}

/** Reads a key of metadata, as `factsOf` asks for it. */
export const valueIn =
  (metadata: Readonly<Record<string, string>>) =>
  (key: string): string | undefined =>
    Object.hasOwn(metadata, key) ? metadata[key] : undefined;
