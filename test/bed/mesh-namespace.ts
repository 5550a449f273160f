import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { debianPackages, overUsr } from "./debian.ts";
import { run } from "./run.ts";
import { temporaryFolder } from "./watchdog.ts";

/** Where a sidecar accepts what leaves an application. Source: istio.io/istio pkg/config/constants and istio-iptables. */
const OUTBOUND_PORT = 15_001;
/** Where Istio's agent, if there is one, answers DNS. */
const DNS_PORT = 15_053;
/** Istio's own id for the proxy: what a process of this group sends is not captured. */
export const proxyGroup = 1337;
/** Every address in these is one of ours in the namespace: the default of `--vip-cidr`, and that of pods. */
const OUR_ADDRESSES = ["240.241.0.0/16", "10.42.0.0/16"];
/** One of them, where nobody listens: what is asked there goes to {@link DNS_PORT}. */
export const nameServer = "10.42.255.53";
const HOSTS = "/etc/hosts";

/** Set for what runs in the namespace. */
const MARK = "MESH_NAMESPACE";

/** ip and iptables, and the libraries of them that a small machine lacks. The others are Debian's own, from libc on. */
const PACKAGES = [
  "iproute2",
  "libbpf1",
  "libbsd0",
  "libcap2",
  "libdb5.3",
  "libelf1",
  "libmd0",
  "libtirpc3",
  "iptables",
  "libip4tc2",
  "libip6tc2",
  "libxtables12",
  "libmnl0",
  "libnetfilter-conntrack3",
  "libnfnetlink0",
  "libnftnl11",
];

/** Of util-linux, as unshare is: what it starts does not outlive this process. */
const DIES_WITH_PARENT = "setpriv";

/** Whether this process runs in the namespace, see {@link runInMeshNamespace}. */
export const isInMeshNamespace = process.env[MARK] !== undefined;

/** The folder of the packages with ip and iptables: in the cache, where they are downloaded to the first time. */
export function networkTools(): Promise<string> {
  return debianPackages("network-tools", PACKAGES);
}

/**
 * Runs a command as in a pod with a sidecar, and returns its exit code: in a network of its own, in which every TCP
 * connection that is not to 127.0.0.0/8 ends at the sidecar's port, except the sidecar's own, and DNS at that of Istio's
 * agent. All virtual IPs and the addresses of pods are there, so providers can listen on any. /etc/hosts and the
 * temporary folder are its own, too.
 * Nothing that it starts outlives it, and neither outlives this process.
 *
 * @throws Error where that cannot be: it takes root, namespaces and a Debian.
 */
export async function runInMeshNamespace(command: readonly string[]): Promise<number> {
  await run("unshare", ["--net", "--mount", "true"]).catch((cause: unknown) => {
    throw new Error("the mesh takes root and Linux namespaces", { cause });
  });
  const tools = await networkTools();
  await using folder = temporaryFolder("mesh");
  // A memory file system that only the namespace sees: it goes with the namespace, whoever kills it.
  const script = [
    'mount -t tmpfs mesh "$TMPDIR"',
    `cp ${HOSTS} "$TMPDIR/hosts"`,
    `mount --bind "$TMPDIR/hosts" ${HOSTS}`,
    `echo nameserver ${nameServer} >"$TMPDIR/resolv.conf"`,
    'mount --bind "$TMPDIR/resolv.conf" /etc/resolv.conf',
    `unshare --mount sh -euc "$NETWORK"`,
    'exec "$@"',
  ];
  const namespaces = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
  const inside = ["sh", "-euc", script.join("\n"), "mesh", ...command];
  const child = spawn(DIES_WITH_PARENT, ["--pdeathsig", "KILL", "unshare", ...namespaces, ...inside], {
    stdio: "inherit",
    env: { ...process.env, [MARK]: "1", TMPDIR: folder.path, NETWORK: networkScript(tools).join("\n") },
  });
  const [code] = (await once(child, "exit")) as [number | null];
  return code ?? 1;
}

/** As istio-iptables captures what leaves a pod; there loopback is told by its interface, which here has everything. */
function networkScript(tools: string): readonly string[] {
  const rules = [
    `-m owner --gid-owner ${proxyGroup} -j RETURN`,
    "-d 127.0.0.0/8 -j RETURN",
    `-p tcp -j REDIRECT --to-ports ${OUTBOUND_PORT}`,
    `-p udp --dport 53 -j REDIRECT --to-ports ${DNS_PORT}`,
  ];
  return [
    overUsr(tools),
    "ip link set lo up",
    ...OUR_ADDRESSES.map((range) => `ip route add local ${range} dev lo`),
    ...rules.map((rule) => `iptables-nft -t nat -A OUTPUT ${rule}`),
  ];
}

/** Lets a name resolve to an address, as a sidecar's DNS proxy does. @throws Error outside of the namespace. */
export async function setHost(name: string, address: string): Promise<void> {
  if (!isInMeshNamespace) throw new Error("names are set in the mesh's namespace only: make test-mesh");
  const lines = (await readFile(HOSTS, "utf8")).trimEnd().split("\n");
  const others = lines.filter((line) => !line.endsWith(` ${name}`));
  await writeFile(HOSTS, `${[...others, `${address} ${name}`].join("\n")}\n`); // in place: it is a mount
}
