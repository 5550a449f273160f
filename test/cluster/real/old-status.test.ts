import { expect, test } from "vitest";
import { writeStatus } from "../../../src/kube/apply.ts";
import { hubStatusOf } from "../../../src/status/hub-status.ts";
import { readHub } from "../../../src/translate/read-back/hub.ts";
import { startApiServer } from "../../bed/api-server.ts";
import { hubStatus, hubView } from "../../support/model.ts";
import { openBench } from "../cluster.ts";
import { storedHub, upgradeOver } from "./old-crd.ts";

// On the real server only: it is about a CRD that is replaced by one with another schema.

const spec = { generate_to: "default", type: "zookeeper", address: "zookeeper1.default:2181" };
const status = hubStatus({ ...spec, phase: "pending" });

test("a status that another version left behind is replaced, though no apply could merge it", async () => {
  const left = {
    "of-the-old-product": {
      phase: "failed",
      conditions: [{ failed_reason: "no such host", record_time: "2024-02-04T02:53:25Z" }],
      serviceentries: {},
    },
    "of-other-types": { phase: 7, serviceentries: ["a"], conditions: "none", problems: { a: 1 }, hold: "on" },
  };
  await using server = await startApiServer({ controllerManager: false });
  const hubs = Object.entries(left).map(([name, one]) => [name, { spec, status: one }] as const);
  await upgradeOver(server, Object.fromEntries(hubs));
  const bench = openBench(server.kubeconfig);
  for (const name of Object.keys(left)) {
    const of = { name, namespace: "default" };
    expect(await writeStatus(bench.client, of, status, bench.signal)).toMatchObject({
      ok: { spec, status },
    });
    expect((await storedHub(server, name)).status).toEqual(status);
  }
});

test("a hub that an older CRD let through, and this one would refuse, can be told so", async () => {
  const specs = {
    "unknown-type": { ...spec, type: "Eureka" },
    "no-address": { generate_to: "default", type: "zookeeper" },
    "no-target": { type: "zookeeper", address: spec.address },
    "unknown-policy": { ...spec, policy: "Sync" },
    "nothing-at-all": {},
    "list-for-text": { ...spec, services: { include: "*" } },
  };
  await using server = await startApiServer({ controllerManager: false });
  const hubs = Object.entries(specs).map(([name, one]) => [name, { spec: one }] as const);
  await upgradeOver(server, Object.fromEntries(hubs));
  const bench = openBench(server.kubeconfig);
  for (const name of Object.keys(specs)) {
    const reading = readHub(await storedHub(server, name));
    if (!("problem" in reading)) throw new Error(`${name} can be read`);
    const registry = { type: "", address: "" };
    const told = hubStatusOf(
      hubView({
        hub: { generation: 1, target: "", policy: "sync", suspend: false, registry },
        registry: { state: "failed", code: "InvalidSpec", ...reading.problem },
        progress: { isListed: false, hasAnswered: true, hasMoved: false, isFresh: false, hasNoSession: true },
        entries: { written: 0, first: () => [] },
        services: 0,
        endpoints: 0,
        origin: "",
      }),
      "2024-02-04T03:00:00Z",
    );
    const of = { name, namespace: "default" };
    const written = await writeStatus(bench.client, of, told, bench.signal);
    expect({ name, written }).toMatchObject({ name, written: { ok: { status: { phase: "failed" } } } });
  }
});
