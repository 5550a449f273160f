/**
 * "address port" of a provider, IPv6 without brackets. It is kept for every provider: V8 joins an array to one string of 32
 * bytes, and a template to a tree of three, of 88 (measured).
 */
export const addressKey = (address: string, port: number | string): string => [address, port].join(" ");

/** Removes the brackets of an IPv6 address; Dubbo 3.3.6 registers `[::1]` (measured), others do not. */
export function withoutBrackets(address: string): string {
  return /^\[(.+)\]$/.exec(address)?.[1] ?? address;
}

/**
 * The addresses of the providers of each interface, including providers that take no traffic. It counts them, so that
 * a change of one interface costs only that interface.
 */
export class RegisteredAddresses {
  readonly #byName = new Map<string, readonly string[]>();
  readonly #counts = new Map<string, number>();

  /** `address` is an {@link addressKey}. */
  has(address: string): boolean {
    return this.#counts.has(address);
  }

  /** Sets all {@link addressKey}s of one interface; [] = it is gone. */
  set(name: string, addresses: readonly string[]): void {
    for (const address of addresses) this.#counts.set(address, (this.#counts.get(address) ?? 0) + 1);
    for (const address of this.#byName.get(name) ?? []) {
      const left = (this.#counts.get(address) ?? 0) - 1;
      if (left > 0) this.#counts.set(address, left);
      else this.#counts.delete(address);
    }
    if (addresses.length > 0) this.#byName.set(name, addresses);
    else this.#byName.delete(name);
  }
}
