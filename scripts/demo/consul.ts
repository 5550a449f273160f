import { startConsul } from "../../test/bed/consul.ts";
import { isInMeshNamespace } from "../../test/bed/mesh-namespace.ts";
import { startSpringProvider } from "../../test/bed/spring-provider.ts";
import { type DemoProvider, type DemoRegistry, demoProvider } from "./registry.ts";

/** A Consul server with applications of Spring Cloud. */
export const consul: DemoRegistry = {
  name: "Consul",
  assets: ["consul", "spring-consul"],
  sample: "config/samples/consul.yaml",
  hub: "registryhub-consul",
  namespace: "springconsul",
  host: "order-service.springconsul",
  serviceEntry: "order-service.springconsul",
  speaksDubbo: false,
  brokenAddress: "http://consul1.default:8500",
  async start() {
    const server = await startConsul();
    return {
      address: server.url,
      startProvider: (ip) => startProvider(server.address, ip),
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  },
};

async function startProvider(address: string, ip: string): Promise<DemoProvider> {
  const options = { registry: "consul", address, application: "order-service", ip } as const;
  return demoProvider(await startSpringProvider({ ...options, listensOnHost: isInMeshNamespace }));
}
