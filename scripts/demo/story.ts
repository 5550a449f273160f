import assert from "node:assert/strict";
import type { EnvoyFilter, ServiceEntry } from "../../src/model/istio.ts";
import type { RegistryHub } from "../../src/model/registryhub.ts";
import { eventually } from "../../test/support/eventually.ts";
import { callThroughMesh } from "./mesh.ts";
import type { DemoRegistry, DemoSpring } from "./registry.ts";
import { filledSample, rootNamespace, type Stage, secondProvider } from "./stage.ts";
import { terminal } from "./terminal.ts";

/** One thing to see. `tell` throws unless it really happened. */
export interface Step {
  readonly title: string;
  readonly tell: (stage: Stage) => Promise<void>;
}

/** How long any step may take on a slow machine. */
const STEP_MS = 60_000;

/** The steps, in order: each begins where the one before ended. `inMesh` = with a call at the end. */
export function storyOf(type: DemoRegistry, inMesh: boolean): readonly Step[] {
  const filter: Step = {
    title: "The EnvoyFilter lets the mesh speak Dubbo to the provider",
    tell: (stage) => showFilter(type, stage),
  };
  const deletedFilter: Step = {
    title: "A person deletes an EnvoyFilter, and the operator restores it",
    tell: (stage) => deleteFilter(type, stage),
  };
  const deletedEntry: Step = {
    title: "A person deletes the ServiceEntry, and the operator restores it",
    tell: (stage) => deleteEntry(type, stage),
  };
  const call: Step = {
    title: "A consumer in the mesh calls the provider through Envoy",
    tell: (stage) => callProvider(type, stage),
  };
  return [
    { title: "kubectl explain describes a hub", tell: explain },
    { title: "A new hub is pending, then success", tell: (stage) => applyHub(type, stage) },
    { title: "The provider has a ServiceEntry", tell: (stage) => showEntry(type, stage) },
    ...(type.speaksDubbo ? [filter] : []),
    ...springSteps(type),
    { title: "A second provider registers and deregisters", tell: (stage) => scale(type, stage) },
    {
      title: "With a wrong address the hub fails, and nothing is lost",
      tell: (stage) => breakAddress(type, stage),
    },
    { title: "With the right address the hub recovers without help", tell: (stage) => heal(type, stage) },
    type.speaksDubbo ? deletedFilter : deletedEntry,
    ...(inMesh ? [call] : []),
  ];
}

function springSteps({ namespace, spring }: DemoRegistry): readonly Step[] {
  if (spring === undefined) return [];
  const tell = (stage: Stage): Promise<void> => showSpringEntry(namespace, spring, stage);
  return [{ title: "The Spring application has a ServiceEntry too", tell }];
}

async function explain({ kubectl }: Stage): Promise<void> {
  const text = await kubectl(["explain", "registryhub.spec.address"]);
  assert.match(text, /The address of the registry/);
}

async function applyHub(type: DemoRegistry, stage: Stage): Promise<void> {
  const { address } = stage.registry;
  await untilHubsAreWatched(stage);
  terminal.say(
    `The demo applies ${type.sample} and changes only spec.address: its ${type.name} is at ${address}.`,
  );
  const input = await filledSample(type, address);
  const apply = () =>
    stage.kubectl(["apply", "-f", "-"], { input, shown: `kubectl apply -f ${type.sample}` });
  const seen = await stage.kubectlWatch(["get", "rh", "-n", type.namespace], apply, (output) =>
    output.includes("success"),
  );
  assert.match(seen, /pending.*success/s);
  await waitReady(type, stage);
  terminal.observed("the hub was pending until the operator had read the registry, then success");
}

/** Of CRDs that are this new the API server ends every watch once more, and who sees a hub late does not see it pending. */
function untilHubsAreWatched({ controllers }: Stage): Promise<void> {
  return eventually(() => {
    const said = controllers.hub.log().findLast(({ resource }) => resource === "registryhubs");
    assert.equal(said?.msg, "watching");
  }, STEP_MS);
}

async function waitReady(type: DemoRegistry, stage: Stage): Promise<void> {
  const hub = [`rh/${type.hub}`, "-n", type.namespace];
  await stage.kubectl(["wait", "--for=condition=Ready", ...hub, "--timeout=30s"]);
}

async function showEntry(type: DemoRegistry, stage: Stage): Promise<void> {
  const { spec } = await entryOf(type, stage);
  await stage.kubectl(["get", "serviceentry", type.serviceEntry, "-n", type.namespace, "-o", "yaml"]);
  assert.deepEqual(spec.hosts, [type.host]);
  assert.deepEqual(endpointsOf(spec), [stage.provider.endpoint]);
  terminal.observed(`consumers call ${type.host}; its virtual IP ${spec.addresses?.[0]} never changes`);
}

async function showFilter(type: DemoRegistry, stage: Stage): Promise<void> {
  const { metadata } = await eventually(() => filterOf(type, stage), STEP_MS);
  await stage.kubectl(["get", "envoyfilter", "-n", rootNamespace]);
  await stage.kubectl(["get", "envoyfilter", metadata.name, "-n", rootNamespace, "-o", "yaml"]);
  terminal.observed(
    "there is one filter per service, and one per port that lifts Envoy's limit of 1 MiB per answer",
  );
}

async function showSpringEntry(namespace: string, { host }: DemoSpring, stage: Stage): Promise<void> {
  const { spec } = await serviceEntryOf(namespace, host, stage);
  await stage.kubectl(["get", "serviceentry", host, "-n", namespace, "-o", "yaml"]);
  assert.deepEqual(spec.hosts, [host]);
  assert.deepEqual(endpointsOf(spec), [stage.spring?.endpoint]);
  terminal.observed(
    `callers use http://${host}:${spec.ports?.[0]?.number}, whatever ports the instances listen on`,
  );
}

async function scale(type: DemoRegistry, stage: Stage): Promise<void> {
  await using second = await stage.registry.startProvider(secondProvider);
  await untilEndpoints(type, stage, [stage.provider.endpoint, second.endpoint]);
  terminal.say(`A provider at ${secondProvider} registered:`);
  await showEndpoints(type, stage);
  const stopping = second.stop();
  await untilEndpoints(type, stage, [stage.provider.endpoint]);
  terminal.say("The provider stopped, as in a rolling update:");
  await showEndpoints(type, stage);
  await stopping;
  terminal.observed("the endpoint came and went with its provider");
}

async function breakAddress(type: DemoRegistry, stage: Stage): Promise<void> {
  const before = await entryOf(type, stage);
  await setAddress(type, stage, type.brokenAddress);
  await eventually(async () => {
    const { status } = await hubOf(type, stage);
    assert.equal(status?.phase, "failed");
    assert.equal(readyOf(status)?.reason, "RegistryUnreachable");
  }, STEP_MS);
  await showHub(type, stage);
  const path = 'jsonpath={.status.conditions[?(@.type=="Ready")].failed_reason}{"\\n"}';
  const reason = await stage.kubectl(["get", "rh", type.hub, "-n", type.namespace, "-o", path]);
  const [host = ""] = /[\w.]+(?=:\d)/.exec(type.brokenAddress) ?? [];
  assert.ok(reason.includes(host), reason);
  await showEndpoints(type, stage);
  assert.deepEqual((await entryOf(type, stage)).spec, before.spec);
  terminal.observed("the status gives the cause, and the ServiceEntry is unchanged, so traffic continues");
}

async function heal(type: DemoRegistry, stage: Stage): Promise<void> {
  const before = await entryOf(type, stage);
  await setAddress(type, stage, stage.registry.address);
  await waitReady(type, stage);
  await showHub(type, stage);
  const after = await entryOf(type, stage);
  assert.equal(after.metadata.uid, before.metadata.uid);
  assert.deepEqual(after.spec, before.spec);
  terminal.observed("the hub is success again, and nobody deleted, re-created or restarted anything");
}

async function deleteFilter(type: DemoRegistry, stage: Stage): Promise<void> {
  const before = await filterOf(type, stage);
  await stage.kubectl(["delete", "envoyfilter", before.metadata.name, "-n", rootNamespace]);
  const after = await eventually(async () => {
    const filter = await filterOf(type, stage);
    assert.notEqual(filter.metadata.uid, before.metadata.uid);
    return filter;
  }, STEP_MS);
  await stage.kubectl(["get", "envoyfilter", "-n", rootNamespace]);
  assert.deepEqual(after.spec, before.spec);
  terminal.observed("the EnvoyFilter is back, without a restart");
}

async function deleteEntry(type: DemoRegistry, stage: Stage): Promise<void> {
  const before = await entryOf(type, stage);
  await stage.kubectl(["delete", "serviceentry", type.serviceEntry, "-n", type.namespace]);
  const after = await eventually(async () => {
    const entry = await entryOf(type, stage);
    assert.notEqual(entry.metadata.uid, before.metadata.uid);
    return entry;
  }, STEP_MS);
  await showEndpoints(type, stage);
  assert.deepEqual(after.spec, before.spec);
  terminal.observed("the ServiceEntry is back, with the same virtual IP");
}

async function callProvider(type: DemoRegistry, stage: Stage): Promise<void> {
  const { spec } = await entryOf(type, stage);
  const { host, speaksDubbo } = type;
  const [virtualIp = "", port = 0] = [spec.addresses?.[0], spec.ports?.[0]?.number];
  const { endpoint } = stage.provider;
  await callThroughMesh(stage.api, { host, virtualIp, port, endpoint, speaksDubbo });
}

async function setAddress(type: DemoRegistry, { kubectl }: Stage, address: string): Promise<void> {
  const patch = JSON.stringify({ spec: { address } });
  await kubectl(["patch", "rh", type.hub, "-n", type.namespace, "--type=merge", "-p", patch]);
}

async function showHub(type: DemoRegistry, { kubectl }: Stage): Promise<void> {
  await kubectl(["get", "rh", "-n", type.namespace]);
}

async function showEndpoints(type: DemoRegistry, { kubectl }: Stage): Promise<void> {
  const columns =
    "custom-columns=HOST:.spec.hosts[0],VIP:.spec.addresses[0],ENDPOINTS:.spec.endpoints[*].address";
  await kubectl(["get", "serviceentry", "-n", type.namespace, "-o", columns]);
}

function untilEndpoints(type: DemoRegistry, stage: Stage, expected: readonly string[]): Promise<void> {
  return eventually(async () => {
    const { spec } = await entryOf(type, stage);
    assert.deepEqual(endpointsOf(spec), expected.toSorted());
  }, STEP_MS);
}

function endpointsOf({ endpoints = [] }: ServiceEntry["spec"]): readonly string[] {
  return endpoints.map(({ address, ports = {} }) => `${address}:${Object.values(ports)[0]}`).sort();
}

function hubOf(type: DemoRegistry, { cluster }: Stage): Promise<RegistryHub> {
  return cluster.hub(type.namespace, type.hub);
}

function readyOf(status: RegistryHub["status"]) {
  return status?.conditions.find((one) => one.type === "Ready");
}

function entryOf({ namespace, serviceEntry }: DemoRegistry, stage: Stage): Promise<ServiceEntry> {
  return serviceEntryOf(namespace, serviceEntry, stage);
}

async function serviceEntryOf(namespace: string, name: string, { cluster }: Stage): Promise<ServiceEntry> {
  const entry = (await cluster.serviceEntries(namespace)).find(({ metadata }) => metadata.name === name);
  assert.ok(entry, `no ServiceEntry ${name}`);
  return entry;
}

async function filterOf(type: DemoRegistry, { cluster }: Stage): Promise<EnvoyFilter> {
  const filters = await cluster.envoyFilters(rootNamespace);
  const filter = filters.find(({ metadata }) => metadata.name.startsWith(`aeraki-outbound-${type.host}-`));
  assert.ok(filter, `no EnvoyFilter for ${type.host}`);
  return filter;
}
