import { RegistryError } from "../../model/errors.ts";
import { type HttpServer, parseServer, parseServerUrls, withoutSecrets } from "../../runtime/servers.ts";

/** One Nacos server as `spec.address` names it; its port is the main one, and gRPC is 1000 above it. */
export type NacosServer = HttpServer;

/** host:port means gRPC, a URL means HTTP only. */
export interface NacosAddress {
  readonly transport: "grpc" | "http";
  readonly servers: readonly NacosServer[];
}

/** gRPC is served beside the main port. Source: alibaba/nacos, Constants.SDK_GRPC_PORT_DEFAULT_OFFSET. */
export const grpcPortOffset = 1_000;
/** Of a server that nobody has configured otherwise. Source: nacos `server.servlet.contextPath`. */
const defaultContextPath = "/nacos";

/**
 * Reads `h1:8848,[2001:db8::1]:8848` (gRPC) or `https://h1:8848/context,http://h2` (HTTP; without a path it is /nacos,
 * without a port the scheme's own). In the gRPC form the login alone goes over HTTP, to the main port and without TLS
 * also where gRPC has it: they are separate settings of the server, and `nacos.remote.server.rpc.tls` is gRPC's.
 * @throws RegistryError InvalidSpec.
 */
export function parseNacosAddress(address: string): NacosAddress {
  if (address.includes("://"))
    return { transport: "http", servers: parseServerUrls(address, defaultContextPath, advice) };
  return { transport: "grpc", servers: address.split(",").map((one) => parseHostPort(one.trim())) };
}

function parseHostPort(text: string): NacosServer {
  const server = text.includes("/") ? undefined : parseServer(text);
  if (server === undefined) throw invalid(`"${withoutSecrets(text)}" is not host:port`);
  if (server.port + grpcPortOffset > 65_535)
    throw invalid(
      `the port of "${text}" is not 1..${65_535 - grpcPortOffset}; the gRPC port is ${grpcPortOffset} above it`,
    );
  return { ...server, baseUrl: `http://${server.name}${defaultContextPath}` };
}

const advice =
  "Write spec.address as nacos-1:8848,nacos-2:8848, or as http://nacos:8848/nacos for HTTP only.";

const invalid = (detail: string): RegistryError => new RegistryError("InvalidSpec", detail, advice);
