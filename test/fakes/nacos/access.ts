import type { Clock } from "../../../src/runtime/deps.ts";
import type { FakeData } from "./data.ts";

/** Who may read what. */
export class Access {
  readonly #data: FakeData;
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #isRequired: boolean;
  readonly #tokens = new Map<string, { readonly username: string; readonly expiresAt: number }>();
  tokenTtlS = 18_000;

  constructor(data: FakeData, clock: Pick<Clock, "monotonic">, isRequired: boolean) {
    this.#data = data;
    this.#clock = clock;
    this.#isRequired = isRequired;
  }

  get isRequired(): boolean {
    return this.#isRequired;
  }

  /** A token; undefined = the user or the password is wrong. */
  logIn(username: string | null, password: string | null): string | undefined {
    if (username === null || this.#data.users.get(username)?.password !== password) return undefined;
    const token = `token-${this.#tokens.size + 1}`;
    this.#tokens.set(token, { username, expiresAt: this.#clock.monotonic() + this.tokenTtlS * 1_000 });
    return token;
  }

  /** Why the holder of the token may not read the resource; undefined = it may. */
  refusal(token: string | undefined, resource: string): string | undefined {
    if (!this.#isRequired) return undefined;
    if (token === undefined) return "user not found!";
    const known = this.#tokens.get(token);
    if (known === undefined) return "token invalid!";
    if (known.expiresAt <= this.#clock.monotonic()) return "token expired!";
    const user = this.#data.users.get(known.username);
    if (user === undefined) return "user not found!";
    return (user.may?.(resource) ?? true) ? undefined : "authorization failed!";
  }
}
