import { RegistryError } from "../../model/errors.ts";

export interface Server {
  /** Name or IP literal, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  /** "host:port" for messages, IPv6 in brackets. */
  readonly name: string;
}

/** A ZooKeeper connect string in its parts. */
export interface ConnectString {
  readonly servers: readonly Server[];
  /** "/path" that every path is below, or "". */
  readonly chroot: string;
}

const defaultPort = 2181;

/** Reads `h1:2181,h2,[2001:db8::1]:2181/chroot`. @throws RegistryError InvalidSpec. */
export function parseConnectString(address: string): ConnectString {
  const slash = address.indexOf("/");
  const hosts = slash < 0 ? address : address.slice(0, slash);
  const chroot = slash < 0 ? "" : address.slice(slash).replace(/\/+$/, "");
  return { servers: hosts.split(",").map((one) => parseServer(one.trim())), chroot };
}

function parseServer(text: string): Server {
  const [, bracketed, plain, portText] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d+))?$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = portText === undefined ? defaultPort : Number(portText);
  if (host === undefined || port < 1 || port > 65_535) {
    throw new RegistryError(
      "InvalidSpec",
      `"${text}" is not host:port`,
      "Write spec.address as zk-1:2181,zk-2:2181/chroot.",
    );
  }
  return { host, port, name: bracketed === undefined ? `${host}:${port}` : `[${host}]:${port}` };
}
