import { type SpringProviderOptions, startSpringProvider } from "../bed/spring-provider.ts";
import type { RealProvider } from "./registry.ts";

/** A real Spring Cloud application. */
export async function startApplication(
  options: Pick<SpringProviderOptions, "registry" | "address" | "login" | "properties">,
): Promise<RealProvider> {
  const application = "order-service";
  const start = (port?: number) =>
    startSpringProvider({ ...options, application, ip: "10.42.1.1", ...(port !== undefined && { port }) });
  let process = await start();
  const { ip, port } = process;
  return {
    provider: { service: application, address: ip, port },
    async restart() {
      await process.kill();
      process = await start(port);
    },
    [Symbol.asyncDispose]: () => process[Symbol.asyncDispose](),
  };
}
