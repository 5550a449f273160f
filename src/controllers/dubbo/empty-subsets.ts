import { KubeError } from "../../kube/errors.ts";
import { list } from "../../kube/list.ts";
import { type ObjectKey, resources } from "../../kube/resources.ts";
import type { ServiceEntry, VirtualService } from "../../model/istio.ts";
import { splitKey } from "../../model/keys.ts";
import type { Stored } from "../../model/kubernetes.ts";
import type { DubboRoute } from "../../translate/envoy-filter.ts";
import { isSubsetEmpty } from "../../translate/read-back/subsets.ts";
import type { Tools } from "../writes/object-writer.ts";
import type { RuleNotices } from "./rule-notices.ts";

/** The labels of subsets, by name. */
export type LabelsOf = ReadonlyMap<string, Readonly<Record<string, string>>>;

/** Tells of subsets that rules name and that no endpoint is in: their calls fail, as Istio has it. */
export class EmptySubsets {
  readonly #tools: Tools;
  readonly #notices: RuleNotices;
  /** What was seen last, by entry: an entry is read once for each version of it and of the rules. */
  readonly #seen = new Map<ObjectKey, string>();

  constructor(tools: Tools, notices: RuleNotices) {
    this.#tools = tools;
    this.#notices = notices;
  }

  /** @param version of the entry. */
  async look(
    { serviceEntry, host }: DubboRoute,
    version: string | undefined,
    rules: Stored<VirtualService>,
    labelsOf: LabelsOf,
  ): Promise<void> {
    const seen = JSON.stringify([version, rules.metadata.resourceVersion, [...labelsOf]]);
    if (this.#seen.get(serviceEntry) === seen) return;
    const entry = labelsOf.size > 0 ? await this.#read(serviceEntry) : undefined;
    if (entry || labelsOf.size === 0) this.#seen.set(serviceEntry, seen);
    const empty = entry ? [...labelsOf].filter(([, labels]) => isSubsetEmpty(labels, entry)) : [];
    const names = empty.map(([name]) => name).join(", ");
    const text = `calls for ${names} fail: no endpoint of ${host} has the labels of that subset`;
    this.#notices.tell(rules, "SubsetEmpty", names === "" ? undefined : text);
  }

  forget(entry: ObjectKey): void {
    this.#seen.delete(entry);
  }

  /** With its endpoints, which are in no list here, because nothing else needs them. */
  async #read(key: ObjectKey): Promise<Stored<ServiceEntry> | undefined> {
    const [namespace, name] = splitKey(key);
    const selection = { namespace, fieldSelector: `metadata.name=${name}` };
    const { client, signal } = this.#tools;
    try {
      const options = { selection, pageSize: 1, transform: (one: Stored<ServiceEntry>) => one, signal };
      return (await list(client, resources.serviceEntries, options)).objects[0];
    } catch (error) {
      if (!signal.aborted && !(error instanceof KubeError)) throw error;
      return undefined; // no word about it now is no harm
    }
  }
}
