import { apply } from "../../src/kube/apply.ts";
import type { ListWatchOptions } from "../../src/kube/list-watch.ts";
import type { Reflector } from "../../src/kube/reflector.ts";
import type { KubeObject } from "../../src/model/kubernetes.ts";
import { type FaultProxy, startProxy } from "../bed/fault-proxy.ts";
import {
  type Bench,
  configMaps,
  createNamespace,
  deleteObject,
  kubeconfigThrough,
  namesOf,
  openBench,
  openReflector,
} from "./cluster.ts";
import type { TestServer } from "./server.ts";

/** A reflector behind a proxy, and a direct way to change what it watches. */
export interface Scene extends AsyncDisposable {
  readonly proxy: FaultProxy;
  readonly bench: Bench;
  readonly reflector: Reflector<KubeObject>;
  /** Makes the namespace hold exactly these ConfigMaps. */
  hold(names: readonly string[]): Promise<void>;
  names(): string[];
}

export async function openScene(
  server: Pick<TestServer, "url" | "kubeconfig">,
  options: ListWatchOptions<KubeObject> = {},
): Promise<Scene> {
  const proxy = await startProxy("127.0.0.1", Number(new URL(server.url).port));
  const direct = openBench(server.kubeconfig);
  const namespace = await createNamespace(direct, "outage");
  const bench = openBench(await kubeconfigThrough(server, proxy));
  const reflector = await openReflector<KubeObject>(bench, configMaps, { namespace, ...options });
  return {
    proxy,
    bench,
    reflector,
    names: () => [...reflector.objects.values()].map(({ metadata }) => metadata.name).sort(),
    async hold(names) {
      const present = await namesOf(direct, configMaps, namespace);
      for (const name of present.filter((one) => !names.includes(one)))
        await deleteObject(direct, configMaps, { namespace, name });
      for (const name of names)
        await apply(
          direct.client,
          configMaps,
          { metadata: { namespace, name } },
          { fieldManager: "test", signal: direct.signal },
        );
    },
    [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose](),
  };
}
