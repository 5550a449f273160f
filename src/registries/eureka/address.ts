import { type HttpServer, parseServerUrls } from "../transport/servers.ts";

/**
 * The path of Spring Cloud's server; Netflix' own has /eureka/v2. Source: EurekaConstants.DEFAULT_PREFIX of
 * spring-cloud-netflix.
 */
const defaultPath = "/eureka";
const advice = "Write spec.address as http://eureka:8761/eureka; separate several servers by commas.";

/**
 * Reads `http://a:8761/eureka/,https://b:8761/eureka`, which Eureka's clients call defaultZone. @throws RegistryError
 * InvalidSpec.
 */
export const parseEurekaAddress = (address: string): readonly HttpServer[] =>
  parseServerUrls(address, defaultPath, advice);
