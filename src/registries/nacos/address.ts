import { RegistryError } from "../../model/errors.ts";
import { withoutSecrets } from "../../model/problems.ts";
import { type HttpServer, parseServer, parseServerUrls } from "../transport/servers.ts";

/** One Nacos server of `spec.address`; its port is the main one, and the gRPC port is 1000 above it. */
export type NacosServer = HttpServer;

/** host:port means gRPC; a URL means HTTP only. */
export interface NacosAddress {
  readonly transport: "grpc" | "http";
  readonly servers: readonly NacosServer[];
}

/** The distance of the gRPC port from the main port. Source: alibaba/nacos, Constants.SDK_GRPC_PORT_DEFAULT_OFFSET. */
export const grpcPortOffset = 1_000;
/** The default of a server. Source: nacos `server.servlet.contextPath`. */
const defaultContextPath = "/nacos";

/**
 * Reads `h1:8848,[2001:db8::1]:8848` (gRPC) or `https://h1:8848/context,http://h2` (HTTP; the default path is /nacos,
 * the default port the scheme's own). In the gRPC form only the login goes over HTTP, to the main port. It uses no
 * TLS even if gRPC does, because a server has separate settings for the two, and `nacos.remote.server.rpc.tls` is
 * only for gRPC.
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
