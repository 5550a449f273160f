import { type HttpServer, parseServerUrls } from "../transport/servers.ts";

const advice = "Write spec.address as http://consul:8500; separate several servers by commas.";

/** Reads `http://consul-1:8500,https://consul-2:8501`. @throws RegistryError InvalidSpec. */
export const parseConsulAddress = (address: string): readonly HttpServer[] =>
  parseServerUrls(address, "", advice);
