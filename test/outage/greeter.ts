import { type DubboProviderOptions, startDubboProvider } from "../bed/dubbo-provider.ts";
import type { RealProvider } from "./registry.ts";

/** A real Dubbo 2.7 provider; its service is the interface and the version, as entries are named. */
export async function startGreeter(
  options: Pick<DubboProviderOptions, "registry" | "login">,
): Promise<RealProvider> {
  const start = (port?: number) =>
    startDubboProvider({
      ...options,
      version: "1.0.0",
      host: "10.42.1.1",
      ...(port !== undefined && { port }),
    });
  let process = await start();
  const { host, port } = process;
  return {
    provider: { service: "org.apache.dubbo.samples.api.GreetingService-1.0.0", address: host, port },
    async restart() {
      await process.kill();
      process = await start(port);
    },
    [Symbol.asyncDispose]: () => process[Symbol.asyncDispose](),
  };
}
