import { RegistryError, type RegistryErrorCode } from "../../model/errors.ts";
import { grpcPortOffset, type NacosServer } from "./address.ts";

/** The error of a connection, or of an attempt to make one. */
export function connectionError(
  { server, secure }: { readonly server: NacosServer; readonly secure: boolean },
  doing: string,
  code: RegistryErrorCode,
  what: string,
  options: ErrorOptions = {},
): RegistryError {
  const detail = `${doing} ${server.name} over gRPC, port ${server.port + grpcPortOffset}: ${what}`;
  const tls = secure ? "; check ca.crt, tls.crt and tls.key of the Secret" : "";
  const check = `Check spec.address and that this port is reachable${tls}.`;
  return new RegistryError(code, detail, check, options);
}
