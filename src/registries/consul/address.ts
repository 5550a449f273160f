import { RegistryError } from "../../model/errors.ts";
import { type HttpServer, parseServerUrl, withoutSecrets } from "../../runtime/servers.ts";

/** Reads `http://consul-1:8500,https://consul-2:8501`. @throws RegistryError InvalidSpec. */
export function parseConsulAddress(address: string): readonly HttpServer[] {
  return address.split(",").map((part) => {
    const server = parseServerUrl(part.trim(), "");
    if (server !== undefined) return server;
    throw new RegistryError(
      "InvalidSpec",
      `"${withoutSecrets(part.trim())}" is not a URL of a server`,
      "Write spec.address as http://consul:8500, several of them separated by commas.",
    );
  });
}
