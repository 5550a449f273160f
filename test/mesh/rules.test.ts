import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import type { RetiringProvider } from "../bed/provider-process.ts";
import { newTenant, type Tenant } from "../e2e/world.ts";
import { connectDubbo } from "../support/dubbo-client.ts";
import { eventually } from "../support/eventually.ts";
import {
  ARRIVES_MS,
  at,
  hello,
  openDubboService,
  type Service,
  shareOf,
  startPod,
  useConsumers,
  useMesh,
} from "./world.ts";

/** New connections follow an edit within a second (watches, a write, istiod's debounce, a push); here the machine is busy. */
const FOLLOWS_MS = 3_000;
/** A listener that changed cuts its connections after 45 s. */
const UNCUT_MS = 60_000;
const CALLS = 2_000;
const PARALLEL = 8;

const mesh = useMesh();
const consumers = useConsumers();

const pod = (tenant: Tenant, host: string, tag: string) =>
  startPod(mesh, tenant, { host, parameters: { tag } });

const put = (object: object): Promise<string> =>
  mesh.world.api.kubectl(["apply", "-f", "-"], { input: JSON.stringify(object) });

/** The subsets stable and gray of a host, by the tag of the providers. */
const putSubsets = ({ namespace }: Tenant, { host }: Service, names = ["stable", "gray"]) =>
  put({
    apiVersion: "networking.istio.io/v1",
    kind: "DestinationRule",
    metadata: { namespace, name: "subsets" },
    spec: { host, subsets: names.map((name) => ({ name, labels: { tag: name } })) },
  });

const putRules = (
  { namespace }: Tenant,
  { host }: Service,
  http: readonly object[],
  annotations: object = {},
) =>
  put({
    apiVersion: "networking.istio.io/v1",
    kind: "VirtualService",
    metadata: { namespace, name: "rules", annotations },
    spec: { hosts: [host], http },
  });

const to = ({ host }: Service, subset: string, weight?: number) => ({
  destination: { host, subset },
  ...(weight !== undefined && { weight }),
});

const saysHello = ({ host }: RetiringProvider): string => `Hello world from ${host}`;

/** Who answers a call of a connection of its own. */
async function answered({ host, port }: Service): Promise<string> {
  using client = await connectDubbo(host, port);
  return await client.call({ ...hello, args: ["world"] });
}

/** Waits until ten new connections in a row are answered by this provider. */
const newOnesReach = (service: Service, provider: RetiringProvider, ms = ARRIVES_MS) =>
  eventually(async () => {
    for (let turn = 0; turn < 10; turn++) expect(await answered(service)).toBe(saysHello(provider));
  }, ms);

/** Waits until the listener refers to the rules. */
const refersToRules = (service: Service) =>
  eventually(async () => {
    expect(await mesh.sidecar.filters(service.virtualIp, service.port)).toEqual([`dubbo|${service.host}`]);
  }, ARRIVES_MS);

const listenerChanges = async (): Promise<number> =>
  (await mesh.sidecar.listenerChanges()).values().reduce((sum, count) => sum + count, 0);

test("rules by method, by attachment and by weight: each call of both SDKs goes where they say", async () => {
  const tenant = await newTenant(mesh.world);
  await using stable = await pod(tenant, "10.42.27.1", "stable");
  await using gray = await pod(tenant, "10.42.27.2", "gray");
  const service = await openDubboService(mesh, tenant, [stable, gray].map(at));
  await putSubsets(tenant, service);
  await putRules(tenant, service, [
    { match: [{ headers: { "dubbo.tag": { exact: "gray" } } }], route: [to(service, "gray")] },
    { match: [{ method: { exact: "$invoke" } }], route: [to(service, "gray")] },
    {
      match: [{ headers: { user: { regex: "j.+" } } }],
      route: [to(service, "stable", 90), to(service, "gray", 10)],
    },
    { route: [to(service, "stable")] },
  ]);
  await refersToRules(service);
  await newOnesReach(service, stable);
  const call = { to: { host: service.host, port: service.port, version: "1.0.0" } };
  for (const consumer of consumers) {
    const goTo = async (provider: RetiringProvider, what: object) =>
      expect(await consumer.calls({ ...call, ...what }, CALLS, PARALLEL)).toMatchObject({
        ok: CALLS,
        failed: 0,
        answers: { [saysHello(provider)]: CALLS },
      });
    await goTo(stable, {});
    await goTo(gray, { attachments: { "dubbo.tag": "gray" } });
    await goTo(gray, { generic: true });
    await goTo(stable, { attachments: { user: "ann" } });
    const share = await shareOf(gray, [consumer], { ...call, attachments: { user: "jo" } });
    expect(Math.abs(share - 10)).toBeLessThanOrEqual(3); // chosen by lot for each call
  }
});

test("an edit under connected consumers: no call fails, no connection is cut, new ones follow, and old ones when they are told to", async () => {
  const tenant = await newTenant(mesh.world);
  await using stable = await pod(tenant, "10.42.27.3", "stable");
  await using gray = await pod(tenant, "10.42.27.4", "gray");
  const service = await openDubboService(mesh, tenant, [stable, gray].map(at));
  await putSubsets(tenant, service);
  await putRules(tenant, service, [{ route: [to(service, "stable")] }]);
  await refersToRules(service);
  await newOnesReach(service, stable);

  const call = { to: { host: service.host, port: service.port, version: "1.0.0" } };
  const loops = await Promise.all(consumers.map((one) => one.loop(call, { perSecond: 50, parallel: 2 })));
  await delay(1_000);
  const changes = await listenerChanges();
  await putRules(tenant, service, [{ route: [to(service, "gray")] }]);
  await newOnesReach(service, gray, FOLLOWS_MS);
  // Broken, it changes nothing and says why.
  await putRules(tenant, service, [{ route: [to(service, "stable")], timeout: "1s" }]);
  const { namespace } = tenant;
  const events = [
    "get",
    "events",
    "-n",
    namespace,
    "--field-selector",
    "reason=RuleRefused",
    "-o",
    "jsonpath={.items[*].message}",
  ];
  await eventually(async () => {
    expect(await mesh.world.api.kubectl(events)).toContain("spec.http[0].timeout");
  }, ARRIVES_MS);
  await newOnesReach(service, gray);
  // Rules end.
  await mesh.world.api.kubectl(["delete", "virtualservice", "-n", namespace, "rules"]);
  await eventually(async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => answered(service)));
    expect(new Set(answers)).toEqual(new Set([stable, gray].map(saysHello)));
  }, ARRIVES_MS);
  await delay(UNCUT_MS);
  expect(await listenerChanges()).toBe(changes);
  for (const loop of loops) {
    const { ok, failed, errors, answers } = await loop.stop();
    expect({ failed, errors, answers }).toEqual({
      failed: 0,
      errors: [],
      answers: { [saysHello(stable)]: ok },
    });
    expect(ok).toBeGreaterThanOrEqual(CALLS);
  }

  await putRules(tenant, service, [{ route: [to(service, "gray")] }], {
    "ecns.easystack.cn/apply-rules-now": "1",
  });
  await eventually(async () => expect(await listenerChanges()).toBeGreaterThan(changes), ARRIVES_MS);
  await delay(UNCUT_MS);
  for (const one of consumers) {
    await eventually(async () => void (await one.call(call)), ARRIVES_MS); // after the cut
    expect(await shareOf(gray, [one], call)).toBe(100);
  }
});

test("a subset that goes under connected consumers: new connections follow at once, and old ones when they are cut, one drain later", async () => {
  const tenant = await newTenant(mesh.world);
  await using stable = await pod(tenant, "10.42.27.5", "stable");
  await using gray = await pod(tenant, "10.42.27.6", "gray");
  const service = await openDubboService(mesh, tenant, [stable, gray].map(at));
  await putSubsets(tenant, service);
  await putRules(tenant, service, [{ route: [to(service, "gray")] }]);
  await refersToRules(service);
  await newOnesReach(service, gray);

  const call = { to: { host: service.host, port: service.port, version: "1.0.0" } };
  const loops = await Promise.all(consumers.map((one) => one.loop(call, { perSecond: 50, parallel: 2 })));
  await delay(1_000);
  const changes = await listenerChanges();
  const goneAt = Date.now();
  await putSubsets(tenant, service, ["stable"]);
  await eventually(async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => answered(service)));
    expect(new Set(answers)).toEqual(new Set([stable, gray].map(saysHello)));
  }, ARRIVES_MS);
  await eventually(async () => expect(await listenerChanges()).toBeGreaterThan(changes), ARRIVES_MS);
  await delay(UNCUT_MS);
  for (const loop of loops) {
    const { errors } = await loop.stop();
    expect(Math.max(...errors.map(({ lastAt }) => lastAt)) - goneAt).toBeLessThan(UNCUT_MS);
  }
  const changed = await listenerChanges();
  for (const one of consumers)
    expect(await one.calls(call, CALLS, PARALLEL)).toMatchObject({ ok: CALLS, failed: 0 });
  // Whoever takes the rest away has named no subset since.
  await mesh.world.api.kubectl(["delete", "virtualservice,destinationrule", "-n", tenant.namespace, "--all"]);
  await delay(FOLLOWS_MS);
  for (const one of consumers)
    expect(await one.calls(call, CALLS, PARALLEL)).toMatchObject({ ok: CALLS, failed: 0 });
  expect(await listenerChanges()).toBe(changed);
});
