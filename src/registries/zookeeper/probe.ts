import { inParallel } from "../transport/parallel.ts";
import type { Session } from "./session.ts";
import { maxInFlight, maxProbed } from "./watched-nodes.ts";

/** The transaction of the newest change of each directory of an interface, when it was listed. */
export type ListedAt = ReadonlyMap<string, bigint>;

/**
 * Directories that were listed, checked in turn: no event tells of a right that was taken away, nor of a change of
 * what may not be read.
 */
export class Probe {
  readonly #session: Session;
  readonly #changed: (name: string) => void;
  /** By interface, in the order of the last check. */
  readonly #listed = new Map<string, ListedAt>();

  /** `changed` is called with each interface that must be read again. */
  constructor(session: Session, changed: (name: string) => void) {
    this.#session = session;
    this.#changed = changed;
  }

  /** What is checked of an interface from now on. */
  set(name: string, listedAt: ListedAt): void {
    if (listedAt.size > 0) this.#listed.set(name, listedAt);
    else this.#listed.delete(name);
  }

  /** Checks the next interfaces. @throws RegistryError. */
  async check(): Promise<void> {
    const due = [...this.#listed.entries().take(maxProbed)];
    for (const [name, listedAt] of due) {
      this.#listed.delete(name);
      this.#listed.set(name, listedAt); // to the end of the line
    }
    await inParallel(due, maxInFlight, async ([name, listedAt]) => {
      for (const [path, pzxid] of listedAt) {
        const node = await this.#session.data(path);
        const isSame = typeof node === "object" && node.stat.pzxid === pzxid;
        if (!isSame && this.#listed.get(name) === listedAt) this.#changed(name);
      }
    });
  }
}
