import type { HostKey } from "../../model/entry.ts";
import { splitKey } from "../../model/keys.ts";
import type { Problem } from "../../model/problems.ts";
import type { Logger } from "../../runtime/deps.ts";

/**
 * The operator's ServiceEntries that name no hub, or a hub whose name nobody knows any more. Nothing tells whether what
 * they have is gone, so it stays until somebody deletes it.
 */
export class UnexplainedEntries {
  /** metadata.name, by host. */
  readonly #names = new Map<HostKey, string>();
  readonly #logger: Logger;
  readonly #changed: (namespace: string) => void;

  /** @param changed called when the problems of a namespace have changed. */
  constructor(logger: Logger, changed: (namespace: string) => void) {
    this.#logger = logger;
    this.#changed = changed;
  }

  get size(): number {
    return this.#names.size;
  }

  /** Takes in what the last look at a host found; undefined = no such entry. */
  record(host: HostKey, name: string | undefined): void {
    if (this.#names.get(host) === name) return;
    const [namespace] = splitKey(host);
    if (name === undefined) this.#names.delete(host);
    else {
      this.#names.set(host, name);
      this.#logger.warn("no hub explains the ServiceEntry; it stays", { host, name });
    }
    this.#changed(namespace);
  }

  /** For every hub whose target is the namespace. */
  problemsIn(namespace: string): readonly Problem[] {
    return [...this.#names].flatMap(([host, name]): readonly Problem[] => {
      const [itsNamespace, at] = splitKey(host);
      if (itsNamespace !== namespace) return [];
      const detail = `nobody knows from which hub ServiceEntry ${name}, or a part of it, comes, so it stays; if nobody needs it: kubectl delete serviceentry -n ${namespace} ${name}`;
      return [{ at, code: "UnexplainedEntry", detail, severity: "warning" }];
    });
  }
}
