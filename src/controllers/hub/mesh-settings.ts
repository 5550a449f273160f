import type { KubeClient } from "../../kube/client.ts";
import { pause } from "../../runtime/clock.ts";
import type { Deps } from "../../runtime/deps.ts";
import { type MeshConfig, readMeshConfigs } from "../writes/mesh-configs.ts";

/** The right to get one ConfigMap is none to watch it. */
const intervalMs = 60_000;
/** Without the right, or without Istio, there is nothing to see for long. */
const unreadableIntervalMs = 600_000;

/** The mesh's configurations, asked for again and again. They are only for warnings, and the right to read them is optional. */
export class MeshSettings {
  readonly #client: KubeClient;
  readonly #rootNamespace: string;
  readonly #deps: Deps;
  #configs: readonly MeshConfig[] | undefined;
  #changed: () => void = () => undefined;

  constructor(client: KubeClient, rootNamespace: string, deps: Deps) {
    this.#client = client;
    this.#rootNamespace = rootNamespace;
    this.#deps = deps;
  }

  /** Those that may be read, as they were when the API server last said so; undefined = it has not yet. */
  get configs(): readonly MeshConfig[] | undefined {
    return this.#configs;
  }

  /** Called after each change. */
  onChange(listener: () => void): void {
    this.#changed = listener;
  }

  /** Asks until `signal` aborts. @throws only on a bug. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const configs = await readMeshConfigs(this.#client, this.#rootNamespace, this.#deps, signal);
      const isNew = configs !== undefined && versionsOf(configs) !== versionsOf(this.#configs);
      if (configs !== undefined) this.#configs = configs;
      if (isNew) this.#changed();
      await pause(this.#deps.clock, configs?.length === 0 ? unreadableIntervalMs : intervalMs, signal);
    }
  }
}

const versionsOf = (configs: readonly MeshConfig[] | undefined): string | undefined =>
  configs?.map(({ object: { metadata } }) => `${metadata.uid} ${metadata.resourceVersion}`).join();
