import { RegistryError } from "../../model/errors.ts";
import { parseServer, type Server } from "../transport/servers.ts";

/** The parts of a ZooKeeper connect string. */
export interface ConnectString {
  readonly servers: readonly Server[];
  /** The "/path" above every other path, or "". */
  readonly chroot: string;
}

const defaultPort = 2181;

/** Reads `h1:2181,h2,[2001:db8::1]:2181/chroot`. @throws RegistryError InvalidSpec. */
export function parseConnectString(address: string): ConnectString {
  const slash = address.indexOf("/");
  const hosts = slash < 0 ? address : address.slice(0, slash);
  const chroot = slash < 0 ? "" : address.slice(slash).replace(/\/+$/, "");
  return { servers: hosts.split(",").map((one) => readServer(one.trim())), chroot };
}

function readServer(text: string): Server {
  const server = parseServer(text, defaultPort);
  if (server !== undefined) return server;
  throw new RegistryError(
    "InvalidSpec",
    `"${text}" is not host:port`,
    "Write spec.address as zk-1:2181,zk-2:2181/chroot.",
  );
}
