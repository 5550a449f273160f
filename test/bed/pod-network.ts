import { readlink } from "node:fs/promises";
import { freePort } from "../support/free-port.ts";
import { overUsr } from "./debian.ts";
import { podIp } from "./envoy.ts";
import { isInMeshNamespace, nameServer, networkTools } from "./mesh-namespace.ts";
import { run } from "./run.ts";
import { awaitReady, startServerProcess } from "./server-process.ts";
import { temporaryFolder } from "./watchdog.ts";

/** Where a sidecar accepts what comes to its pod. Source: istio.io/istio pkg/config/constants and istio-iptables. */
const INBOUND_PORT = 15_006;
/** What pods reach 127.0.0.1 of the mesh's namespace by, where istiod and the registries listen. */
const OUTSIDE = "10.42.255.2";

/** How a pod's network is made. */
export interface PodNetworkOptions {
  /** The pod's, of 10.42.0.0/16. */
  readonly address: string;
  /** As annotation `traffic.sidecar.istio.io/excludeInboundPorts` has them. Default: none. */
  readonly excludedPorts?: readonly number[];
}

/**
 * A network inside the mesh's namespace, as a pod with a sidecar has it: every TCP connection that comes to its address ends
 * at the sidecar's port, except those to excluded ports. What goes out is not captured, and no name is known. Disposal removes it once nothing runs
 * in it.
 */
export interface PodNetwork extends AsyncDisposable {
  readonly address: string;
  /** What a command line begins with that runs inside. */
  readonly entering: readonly string[];
  /** The address that inside stands for 127.0.0.1 outside. */
  readonly outside: string;
  /** The port of 127.0.0.1 inside that outside is reached at the pod's address, past all sidecars. */
  readonly adminPort: number;
}

let networks = 0;

/** Makes the network of a pod. @throws Error outside of the mesh's namespace. */
export async function startPodNetwork({
  address,
  excludedPorts = [],
}: PodNetworkOptions): Promise<PodNetwork> {
  if (!isInMeshNamespace) throw new Error("pods have networks in the mesh's namespace only: make test-mesh");
  const [tools, adminPort] = await Promise.all([networkTools(), freePort()]);
  await using starting = new AsyncDisposableStack();
  const folder = starting.use(temporaryFolder("pod")).path;
  const holder = await startServerProcess({
    name: "the pod's network",
    command: "unshare",
    args: ["--net", "sleep", "infinity"],
    cwd: folder,
    logFile: `${folder}/log`,
  });
  starting.defer(() => holder.kill());
  const file = `/proc/${holder.pid}/ns/net`;
  const ours = await readlink("/proc/self/ns/net");
  await awaitReady("the pod's network", holder, async () => (await readlink(file)) !== ours);
  const entering = ["nsenter", `--net=${file}`];
  const device = `pod${++networks}`;
  const script = [
    overUsr(tools),
    ...outsideOf(device, holder.pid, address, adminPort),
    `${entering.join(" ")} sh -euc "$INSIDE"`,
  ];
  await run("unshare", ["--mount", "sh", "-euc", script.join("\n")], {
    env: { INSIDE: insideOf(address, adminPort, excludedPorts).join("\n") },
  });
  const owned = starting.move();
  return {
    address,
    entering,
    outside: OUTSIDE,
    adminPort,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** The mesh's namespace has all addresses of pods itself, so the way to this one has to be in the table of those. */
function outsideOf(device: string, pid: number, address: string, adminPort: number): readonly string[] {
  return [
    `ip link add ${device} type veth peer name eth0 netns ${pid}`,
    `ip link set ${device} up`,
    `ip route add ${address}/32 dev ${device} table local src ${podIp}`,
    `iptables-nft -t nat -I OUTPUT -p tcp -d ${address} --dport ${adminPort} -j RETURN`,
    ...toLoopback(device, `-d ${OUTSIDE}`),
  ];
}

/** As istio-iptables captures what comes to a pod. */
function insideOf(address: string, adminPort: number, excluded: readonly number[]): readonly string[] {
  return [
    "ip link set lo up",
    `ip address add ${address}/32 dev eth0`,
    "ip link set eth0 up",
    "ip route add default dev eth0",
    // Says so at once. From outside the kernel says it a few times and then rarely, and who asks waits for seconds.
    `ip route add unreachable ${nameServer}`,
    ...toLoopback("eth0", `--dport ${adminPort}`),
    ...excluded.map((port) => `iptables-nft -t nat -A PREROUTING -p tcp --dport ${port} -j RETURN`),
    `iptables-nft -t nat -A PREROUTING -p tcp -j REDIRECT --to-ports ${INBOUND_PORT}`,
  ];
}

/** What comes in by the device and matches goes to 127.0.0.1, which the kernel lets nobody reach from outside by default. */
function toLoopback(device: string, match: string): readonly string[] {
  return [
    `echo 1 >/proc/sys/net/ipv4/conf/${device}/route_localnet`,
    `iptables-nft -t nat -A PREROUTING -i ${device} -p tcp ${match} -j DNAT --to-destination 127.0.0.1`,
  ];
}
