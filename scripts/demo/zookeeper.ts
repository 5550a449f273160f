import { startDubboProvider } from "../../test/bed/dubbo-provider.ts";
import { startZooKeeper } from "../../test/bed/zookeeper.ts";
import { type DemoProvider, type DemoRegistry, demoProvider } from "./registry.ts";

/** ZooKeeper 3.9 with providers of Dubbo 2.7. */
export const zookeeper: DemoRegistry = {
  name: "ZooKeeper",
  assets: ["zookeeper", "dubbo"],
  sample: "config/samples/zookeeper.yaml",
  hub: "registryhub-sample",
  namespace: "dubbozk",
  host: "org.apache.dubbo.samples.api.greetingservice-1.0.0.dubbozk",
  serviceEntry: "aeraki-org-apache-dubbo-samples-api-greetingservice-1-0-0-dubbozk",
  speaksDubbo: true,
  brokenAddress: "zookeeper1.default:2181",
  async start() {
    const server = await startZooKeeper();
    return {
      address: server.address,
      startProvider: (ip) => startProvider(server.address, ip),
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  },
};

async function startProvider(address: string, ip: string): Promise<DemoProvider> {
  const registry = `zookeeper://${address}`;
  return demoProvider(await startDubboProvider({ registry, version: "1.0.0", host: ip }));
}
