import { expect, test } from "vitest";
import { MtlsLook, type MtlsLookContext } from "../../../../src/controllers/hub/mtls-look.ts";
import type { ServiceEntry } from "../../../../src/model/istio.ts";
import { eventually } from "../../../support/eventually.ts";

const hubs = { plain: "00000001", other: "00000002" };
const mtls = { "security.istio.io/tlsMode": "istio" };

const entry = (labels: Readonly<Record<string, string>>, managedBy = "registryhub"): ServiceEntry => ({
  apiVersion: "networking.istio.io/v1beta1",
  kind: "ServiceEntry",
  metadata: { namespace: "demo", name: "a", labels: { "app.kubernetes.io/managed-by": managedBy } },
  spec: { endpoints: [{ address: "10.42.0.1", ports: { tcp: 20_880 }, labels }] },
});

/** What a look at these entries finds, whose only address is a pod's, and the pauses that it makes. */
async function look(
  entries: readonly ServiceEntry[],
  monotonic: () => number = () => 1_000,
): Promise<{ readonly found: number; readonly pausesMs: readonly number[] }> {
  const stop = new AbortController();
  const pausesMs: number[] = [];
  let found = 0;
  const context: MtlsLookContext = {
    serviceEntries: new Map(entries.map((object, at) => [`demo/${at}`, object])),
    speaksMtls: () => true,
    plainHubs: () => new Set([hubs.plain]),
    differs: () => void found++,
  };
  const sleep = async (ms: number): Promise<void> => void pausesMs.push(ms);
  const looking = new MtlsLook(context, { monotonic, sleep });
  const running = looking.run(stop.signal);
  looking.askAll();
  await eventually(() => expect(pausesMs).toHaveLength(1), 5_000);
  stop.abort();
  await running;
  return { found, pausesMs };
}

test.each([
  ["that is called in plain text", entry({ "ecns.easystack.cn/by": hubs.other }), 1],
  ["that is called by mTLS", entry({ ...mtls, "ecns.easystack.cn/by": hubs.other }), 0],
  [
    "that a hub with identity: none lists, too",
    entry({ "ecns.easystack.cn/by": `${hubs.other}.${hubs.plain}` }),
    0,
  ],
  [
    "that such a hub lists, and that is called by mTLS",
    entry({ ...mtls, "ecns.easystack.cn/by": hubs.plain }),
    1,
  ],
  ["of somebody else's entry", entry({}, "somebody"), 0],
])("an endpoint %s", async (_, object, found) => {
  expect((await look([object])).found).toBe(found);
});

test("rests for 200 times as long as it worked, whatever it worked on, and for a second at least", async () => {
  let now = 0;
  const slow = Array.from({ length: 50 }, () => entry({}));
  expect((await look(slow)).pausesMs).toEqual([1_000]);
  const { pausesMs } = await look(slow, () => (now += 1));
  expect(pausesMs[0]).toBeGreaterThanOrEqual(50 * 200);
});
