import { RegistryError } from "../../model/errors.ts";
import { type HttpServer, parseServerUrl, withoutSecrets } from "../../runtime/servers.ts";

/** Of Spring Cloud's server; Netflix' own has /eureka/v2. Source: EurekaConstants.DEFAULT_PREFIX of spring-cloud-netflix. */
const defaultPath = "/eureka";

/** Reads `http://a:8761/eureka/,https://b:8761/eureka`: what Eureka's clients call defaultZone. @throws RegistryError InvalidSpec. */
export function parseEurekaAddress(address: string): readonly HttpServer[] {
  return address.split(",").map((one) => {
    const server = parseServerUrl(one.trim(), defaultPath);
    if (server !== undefined) return server;
    const detail = `"${withoutSecrets(one.trim())}" is not a URL of a server`;
    const advice = "Write spec.address as http://eureka:8761/eureka, several servers separated by commas.";
    throw new RegistryError("InvalidSpec", detail, advice);
  });
}
