import { startDubboProvider } from "../../test/bed/dubbo-provider.ts";
import { startNacos } from "../../test/bed/nacos.ts";
import { startSpringProvider } from "../../test/bed/spring-provider.ts";
import { type DemoProvider, type DemoRegistry, demoProvider } from "./registry.ts";

/** Nacos 2.3 with providers of Dubbo 2.7 and an application of Spring Cloud Alibaba. */
export const nacos: DemoRegistry = {
  name: "Nacos",
  assets: ["nacos2", "dubbo", "spring-nacos"],
  sample: "config/samples/nacos.yaml",
  hub: "registryhub-nacos",
  namespace: "dubbo",
  host: "org.apache.dubbo.samples.api.greetingservice-1.0.0.dubbo",
  serviceEntry: "aeraki-org-apache-dubbo-samples-api-greetingservice-1-0-0-dubbo",
  speaksDubbo: true,
  brokenAddress: "nacos1.default:8848",
  spring: { host: "order-service.dubbo", start: startSpring },
  async start() {
    const server = await startNacos({ version: "2.3" });
    return {
      address: server.address,
      startProvider: (ip) => startProvider(server.address, ip),
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  },
};

async function startProvider(address: string, ip: string): Promise<DemoProvider> {
  const registry = `nacos://${address}`;
  return demoProvider(await startDubboProvider({ registry, version: "1.0.0", host: ip }));
}

async function startSpring(address: string, ip: string): Promise<DemoProvider> {
  const options = { registry: "nacos", address, application: "order-service", ip } as const;
  return demoProvider(await startSpringProvider(options));
}
