import { expect, test } from "vitest";
import { startController } from "../support/controllers.ts";
import { eventually } from "../support/eventually.ts";
import {
  conditionOf,
  newTenant,
  providerUrl,
  quickly,
  RETRY_MS,
  SOON_MS,
  STATUS_MS,
  untilFailed,
  untilReady,
  useWorld,
} from "./world.ts";

/** An API server that has just started denies every CRD for a moment. */
const BELIEVED_MISSING_MS = 10_000;

const world = useWorld({ istio: false });

test("Istio is installed after the operator: said in words, and then everything follows", async () => {
  const tenant = await newTenant(world);
  await tenant.provide(providerUrl("org.example.Early", "10.42.6.1:20880"));
  await tenant.applyHub();
  const why = "the cluster does not serve networking.istio.io/v1beta1 ServiceEntry";
  const hub = await untilFailed(tenant, "IstioMissing", why, BELIEVED_MISSING_MS + STATUS_MS);
  expect(conditionOf(hub, "RegistrySynced").status).toBe("True");
  for (const { get } of [world.controllers.hub, world.controllers.dubbo])
    expect(await get("/healthz")).toMatchObject({ status: 200 });

  await world.api.applyCrds();
  await eventually(async () => {
    expect(await tenant.entries()).toHaveLength(1);
    expect(await world.cluster.envoyFilters("servicemesh")).toHaveLength(2);
  }, RETRY_MS);
  await untilReady(tenant);
});

test("--allow-cross-namespace=false: another namespace has to opt in", async () => {
  const tenant = await newTenant(world);
  const target = `${tenant.namespace}-target`;
  await world.api.kubectl(["create", "namespace", target]);
  await world.controllers.hub.restart([...quickly, "--allow-cross-namespace=false"]);
  await tenant.provide(providerUrl("org.example.Shop", "10.42.6.2:20880"));
  await tenant.applyHub({ generate_to: target });
  const { status } = await untilFailed(
    tenant,
    "NamespaceNotAllowed",
    `namespace ${target} does not accept entries from hubs in ${tenant.namespace}`,
  );
  const key = "ecns.easystack.cn/allow-registryhubs-from";
  expect(status?.conditions.find(({ type }) => type === "Ready")?.message).toContain(
    `Annotate the namespace with ${key}: "${tenant.namespace}".`,
  );
  expect(await world.cluster.serviceEntries(target)).toEqual([]);

  await world.api.kubectl(["annotate", "namespace", target, `${key}=somewhere,${tenant.namespace}`]);
  await eventually(async () => expect(await world.cluster.serviceEntries(target)).toHaveLength(1), SOON_MS);
  await untilReady(tenant);
  await world.controllers.hub.restart(quickly);
});

test("a right is missing: the status names the verb and the resource; granted, it goes on", async () => {
  const { api } = world;
  await world.controllers.hub.terminate();
  await grant("operator", ["get", "list", "watch"], "registryhubs.ecns.easystack.cn", "namespaces");
  await grant("entries-read", ["get", "list", "watch"], "serviceentries.networking.istio.io");
  await grant("status", ["patch"], "registryhubs.ecns.easystack.cn/status");
  const kubeconfig = await api.kubeconfigFor(api.aliceToken);
  await using controller = await startController("hub-controller", kubeconfig, quickly);

  const tenant = await newTenant(world);
  await tenant.provide(providerUrl("org.example.Shop", "10.42.6.3:20880"));
  await tenant.applyHub();
  const hub = await untilFailed(tenant, "Forbidden", /User "alice" cannot patch resource "serviceentries"/);
  expect(conditionOf(hub, "Applied")).toMatchObject({ status: "False", reason: "Forbidden" });

  await grant("entries-write", ["create", "patch", "delete"], "serviceentries.networking.istio.io");
  await untilReady(tenant, { deadlineMs: RETRY_MS });

  // So are the pods of the mesh: without them nobody is called by mTLS.
  const warned = { problem: expect.stringContaining(`User "alice" cannot list resource "pods"`) };
  expect((await tenant.hub()).status?.problems).toMatchObject([warned]);
  await grant("identity", ["list", "watch"], "pods", "peerauthentications.security.istio.io");
  await eventually(async () => expect((await tenant.hub()).status?.problems).toEqual([]), RETRY_MS);

  // Services are for a warning only: without them everything else goes on, and that is said once.
  const { namespace } = tenant;
  await api.kubectl(["create", "service", "clusterip", "greeter", "--clusterip=None", "-n", namespace]);
  await tenant.provide(providerUrl("Greeter", "10.42.6.4:20880", { version: "" }));
  await eventually(async () => expect(await tenant.entries()).toHaveLength(2), SOON_MS);
  expect((await untilReady(tenant)).status?.problems).toEqual([]);
  const refused = controller.log().filter(({ resource }) => resource === "services");
  expect(refused).toEqual([
    expect.objectContaining({
      level: "warn",
      msg: "not watching",
      error: expect.stringContaining(`User "alice" cannot list resource "services"`),
      neededFor: "only the problem ShadowsService",
    }),
  ]);

  await grant("services-read", ["list", "watch"], "services");
  await eventually(async () => {
    const { status } = await tenant.hub();
    expect(status?.problems).toMatchObject([{ at: `greeter.${namespace}`, severity: "warning" }]);
  }, RETRY_MS);
});

/** Grants alice the verbs on the resources, in the whole cluster. */
async function grant(role: string, verbs: readonly string[], ...resources: readonly string[]): Promise<void> {
  const rules = [`--verb=${verbs.join(",")}`, `--resource=${resources.join(",")}`];
  await world.api.kubectl(["create", "clusterrole", role, ...rules]);
  await world.api.kubectl(["create", "clusterrolebinding", role, `--clusterrole=${role}`, "--user=alice"]);
}
