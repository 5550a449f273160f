import { RegistryError } from "../../model/errors.ts";
import { withoutSecrets } from "../../model/problems.ts";
import { type HttpServer, parseServer } from "../transport/servers.ts";

/** One Nacos server of `spec.address`; its port is the main one, and the gRPC port is 1000 above it. */
export type NacosServer = HttpServer;

/** The distance of the gRPC port from the main port. Source: alibaba/nacos, Constants.SDK_GRPC_PORT_DEFAULT_OFFSET. */
export const grpcPortOffset = 1_000;
/** The default of a server. Source: nacos `server.servlet.contextPath`. */
const contextPath = "/nacos";

/**
 * Reads `h1:8848,[2001:db8::1]:8848`. The login and the lists of all groups go over HTTP, to the main port. They use no
 * TLS even if gRPC does, because a server has separate settings for the two, and `nacos.remote.server.rpc.tls` is
 * only for gRPC.
 * @throws RegistryError InvalidSpec, also for a URL, which earlier versions read.
 */
export function parseNacosAddress(address: string): readonly NacosServer[] {
  return address.split(",").map((one) => parseHostPort(one.trim()));
}

function parseHostPort(text: string): NacosServer {
  const server = text.includes("/") ? undefined : parseServer(text);
  if (server === undefined) throw invalid(`"${withoutSecrets(text)}" is not host:port`);
  if (server.port + grpcPortOffset > 65_535)
    throw invalid(
      `the port of "${text}" is not 1..${65_535 - grpcPortOffset}; the gRPC port is ${grpcPortOffset} above it`,
    );
  return { ...server, baseUrl: `http://${server.name}${contextPath}` };
}

function invalid(detail: string): RegistryError {
  const advice =
    "Write spec.address as host:port, such as nacos-1:8848,nacos-2:8848: Nacos 2 and newer, read over gRPC on the port 1000 above.";
  return new RegistryError("InvalidSpec", detail, advice);
}
