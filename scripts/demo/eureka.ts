import { startEureka } from "../../test/bed/eureka.ts";
import { isInMeshNamespace } from "../../test/bed/mesh-namespace.ts";
import { startSpringProvider } from "../../test/bed/spring-provider.ts";
import { type DemoProvider, type DemoRegistry, demoProvider } from "./registry.ts";

/** Spring Cloud's Eureka server with applications of Spring Cloud. */
export const eureka: DemoRegistry = {
  name: "Eureka",
  assets: ["eureka", "spring-eureka"],
  sample: "config/samples/eureka.yaml",
  hub: "registryhub-eureka",
  namespace: "springnacos",
  host: "eureka-provider.springnacos",
  serviceEntry: "eureka-provider.springnacos",
  speaksDubbo: false,
  brokenAddress: "http://eureka1.default:8761/eureka",
  async start() {
    const server = await startEureka();
    return {
      address: server.address,
      startProvider: (ip) => startProvider(server.address, ip),
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  },
};

async function startProvider(address: string, ip: string): Promise<DemoProvider> {
  const options = { registry: "eureka", address, application: "eureka-provider", ip } as const;
  return demoProvider(await startSpringProvider({ ...options, listensOnHost: isInMeshNamespace }));
}
