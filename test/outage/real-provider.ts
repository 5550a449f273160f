import { type DubboProviderOptions, startDubboProvider } from "../bed/dubbo-provider.ts";
import type { ProviderProcess } from "../bed/provider-process.ts";
import { type SpringProviderOptions, startSpringProvider } from "../bed/spring-provider.ts";
import type { RealProvider } from "./registry.ts";

const ADDRESS = "10.42.1.1";

/** A real Dubbo 2.7 provider; its service is the interface and the version, as entries are named. */
export function startGreeter(
  options: Pick<DubboProviderOptions, "registry" | "login">,
): Promise<RealProvider> {
  return startReal("org.apache.dubbo.samples.api.GreetingService-1.0.0", (port) =>
    startDubboProvider({ ...options, ...port, version: "1.0.0", host: ADDRESS }),
  );
}

/** A real Spring Cloud application. */
export function startApplication(
  options: Pick<SpringProviderOptions, "registry" | "address" | "login" | "properties">,
): Promise<RealProvider> {
  const application = "order-service";
  return startReal(application, (port) =>
    startSpringProvider({ ...options, ...port, application, ip: ADDRESS }),
  );
}

async function startReal(
  service: string,
  start: (at: { readonly port?: number }) => Promise<ProviderProcess>,
): Promise<RealProvider> {
  let process = await start({});
  const { host: address, port } = process;
  return {
    provider: { service, address, port },
    async restart() {
      await process.kill();
      process = await start({ port });
    },
    [Symbol.asyncDispose]: () => process[Symbol.asyncDispose](),
  };
}
