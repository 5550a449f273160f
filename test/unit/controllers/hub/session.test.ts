import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import { HubSession } from "../../../../src/controllers/hub/session.ts";
import { EntryIndex } from "../../../../src/controllers/writes/entry-index.ts";
import type { Entry, HostKey } from "../../../../src/model/entry.ts";
import type { ServiceEntry } from "../../../../src/model/istio.ts";
import { claimOf } from "../../../../src/plan/claims.ts";
import { nothingRemembered } from "../../../../src/status/memory.ts";
import { createScriptedRegistries } from "../../../fakes/registries.ts";
import { fakeClock } from "../../../support/fake-clock.ts";
import { endpointOf, hubOf, silentLogger, writtenEntry } from "../../../support/model.ts";
import { hour, limits, minute } from "../../../support/trust-story.ts";

const hub = hubOf({ address: "zk" });
const services: Readonly<Record<string, readonly string[]>> = {
  "demo.Big": Array.from({ length: 40 }, (_, at) => `10.42.1.${at + 1}:20880`),
  ...Object.fromEntries(Array.from({ length: 9 }, (_, at) => [`demo.S${at}`, [`10.42.0.${at + 1}:20880`]])),
};

/** The entries of the hub's services, as it wrote them. */
function entriesOf(): ReadonlyMap<string, ServiceEntry> {
  const objects = Object.entries(services).map(([name, addrs]) => {
    const service = { ...endpointOf("10.0.0.1:1").service, name };
    const listed = addrs.map((hostPort) => endpointOf(hostPort, { service }));
    const object = writtenEntry(hub, `dubbozk/${name.toLowerCase()}.dubbozk`, listed);
    return [`dubbozk/${object.metadata.name}`, object] as const;
  });
  return new Map(objects);
}

/** A session whose hosts are planned at the very moment when it asks for that. */
function openSession() {
  const clock = fakeClock();
  const registries = createScriptedRegistries();
  const objects = entriesOf();
  const entries = new EntryIndex(objects);
  for (const key of objects.keys()) entries.update(key);
  const gone = new Set<HostKey>();
  const began: string[] = [];
  const plan = (host: HostKey): void => {
    const actual: Entry | undefined = entries.hostObject(host)?.entry;
    const said = claimOf(host, actual, session.claimInputs(host, actual));
    if (said?.listed.length === 0 && said.unlisted === "gone") gone.add(host);
  };
  const deps = { clock, random: () => 0.5, logger: silentLogger, openRegistry: registries.open };
  const session: HubSession = new HubSession(hub, nothingRemembered, entries, deps, {
    enqueueHosts: (hosts) => [...hosts].forEach(plan),
    enqueueStatus: () => undefined,
    limitsFor: () => limits,
    targetTakes: () => true,
    credentialsMs: hour,
    readCredentials: async () => ({}),
    onHoldBegan: (reason) => began.push(reason),
    sliceBegins: () => () => undefined,
    onBug: (error) => {
      throw error;
    },
  });
  return { clock, registry: registries.at("zk"), session, gone, began };
}

const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await nextTurn();
};

test("everything is judged before any host is planned: when a hold ends and another begins (H15)", async () => {
  const { clock, registry, session, gone, began } = openSession();
  registry.lists(services);
  session.connect();
  await settle();
  clock.advance(2 * minute);
  registry.drop({ reset: true });
  registry.lists({});
  await settle();
  clock.advance(2 * minute);
  await settle();
  clock.advance(2 * minute);
  expect(began).toEqual(["RegistryReset"]);
  registry.lists({ "demo.Big": services["demo.Big"] ?? [] }); // 80 % of the endpoints, one of ten services
  await settle();
  clock.advance(2 * minute); // the rest may be late
  expect([began, gone.size]).toEqual([["RegistryReset", "Shrunk"], 0]);
  clock.advance(5 * minute);
  expect(gone.size).toBe(9);
  session.close();
});

test("and at the end of settling, which is the beginning of the brake's hold (H15)", async () => {
  const { clock, registry, session, gone, began } = openSession();
  registry.lists({ "demo.S0": services["demo.S0"] ?? [] });
  session.connect();
  await settle();
  clock.advance(1 * minute);
  expect([began, gone.size]).toEqual([["Shrunk"], 0]);
  session.close();
});
