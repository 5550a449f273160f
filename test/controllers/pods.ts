import { entryOf, statusOf } from "./looks.ts";
import { home, hub, minute, openWorld, type World } from "./world.ts";

/** What the registry of `openWithPods` lists. */
export const one = { "demo.A": ["10.42.0.1:20880", "10.42.0.9:20880"] };
/** The label of who is called by mTLS, on pods and on endpoints. */
export const mtls = "security.istio.io/tlsMode";

interface PodOptions {
  readonly name?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly phase?: string;
  readonly hasSidecar?: boolean;
}

/** A pod that has the address. */
export const pod = (
  ip: string,
  { name = `cart-${ip}`, annotations = {}, phase = "Running", hasSidecar = true }: PodOptions = {},
) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: {
    namespace: "shop",
    name,
    labels: { app: "cart", ...(hasSidecar && { [mtls]: "istio" }) },
    annotations,
  },
  spec: {},
  status: { phase, podIPs: [{ ip }] },
});

type Pod = ReturnType<typeof pod>;

/** As the scheduler, the kubelet and the network do it, one after the other. */
export function run({ person }: World, { status, ...object }: Pod): void {
  person.put(object);
  person.editStatus("pods", `shop/${object.metadata.name}`, (created) => ({ ...created, status }));
}

/** A PeerAuthentication. */
export const policy = (spec: object, namespace = "shop", name = "policy") => ({
  apiVersion: "security.istio.io/v1beta1",
  kind: "PeerAuthentication",
  metadata: { namespace, name },
  spec,
});
export const disabled = { mtls: { mode: "DISABLE" } };

/** The addresses of demo.A that are called by mTLS. */
export function calledByMtls(world: World, namespace = home): readonly string[] {
  const endpoints = entryOf(world, "demo.A", namespace)?.spec.endpoints ?? [];
  return endpoints.flatMap(({ address = "", labels = {} }) => (labels[mtls] === "istio" ? [address] : []));
}

/** Pods as they are before the operator starts, and the hub that lists them. */
export async function openWithPods(pods: readonly Pod[] = [pod("10.42.0.1")], spec = {}): Promise<World> {
  const world = openWorld();
  world.person.createNamespace("shop");
  for (const object of pods) run(world, object);
  world.registry().lists(one);
  world.person.put(hub(spec));
  await world.hubController.start();
  await world.advance(2 * minute);
  return world;
}

/** The codes of the hub's problems. */
export const warnings = (world: World): readonly string[] =>
  statusOf(world).problems.map(({ problem }) => `${problem.split(":")[0]}`);
