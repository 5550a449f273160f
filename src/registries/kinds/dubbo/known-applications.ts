import { type Application, type Instances, type Metadata, readApplication } from "./application.ts";
import type { ApplicationInstance } from "./application-instance.ts";

/** An application, and its inputs. */
interface Made {
  readonly parts: readonly unknown[];
  readonly application: Application;
}

/**
 * Applications across repeated reads. An application whose instances and metadata are the very same as in the last
 * read keeps its identity, and so does the list while all of them do.
 */
export class KnownApplications {
  readonly #wants: (name: string) => boolean;
  readonly #keys: readonly string[];
  #made: ReadonlyMap<string, Made> = new Map();
  #all: readonly Application[] = [];

  /** `wants` selects the relevant interfaces; `keys` are those of the instances' facts. */
  constructor(wants: (name: string) => boolean, keys: readonly string[] = []) {
    this.#wants = wants;
    this.#keys = keys;
  }

  /**
   * Reads all applications, from their instances by application and the metadata of a revision that one of them has.
   */
  read(
    instances: ReadonlyMap<string, Instances>,
    metadataOf: (application: string, revision: string) => Metadata,
  ): readonly Application[] {
    this.#made = new Map(
      [...instances].map(([name, all]) => [name, this.#make(name, all, (one) => metadataOf(name, one))]),
    );
    const made = [...this.#made.values()].map(({ application }) => application);
    const isSame =
      made.length === this.#all.length && made.every((application, at) => application === this.#all[at]);
    if (!isSame) this.#all = made;
    return this.#all;
  }

  #make(name: string, instances: Instances, metadataOf: (revision: string) => Metadata): Made {
    const known = instances.map((one) => (isRead(one) ? metadataOf(one.revision) : one));
    const parts = [...instances, ...known];
    const before = this.#made.get(name);
    const isSame =
      before?.parts.length === parts.length && parts.every((part, at) => part === before.parts[at]);
    if (isSame) return before;
    return { parts, application: readApplication(name, instances, metadataOf, this.#wants, this.#keys) };
  }
}

const isRead = (one: Instances[number]): one is ApplicationInstance =>
  typeof one === "object" && "revision" in one;
