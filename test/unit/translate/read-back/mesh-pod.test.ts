import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { MeshPod } from "../../../../src/model/mesh-pod.ts";
import { canonicalIp, meshPodOf, peerPolicyOf } from "../../../../src/translate/read-back/mesh-pod.ts";

const same = (traits: MeshPod["traits"]): MeshPod["traits"] => traits;

const pod = (annotations: Readonly<Record<string, string>> = {}, spec: object = {}, status: object = {}) => ({
  metadata: {
    namespace: "shop",
    name: "cart-0",
    uid: "7",
    resourceVersion: "12",
    labels: { app: "cart" },
    annotations,
  },
  spec: { containers: [{ env: [{ name: "PASSWORD", value: "secret" }] }], ...spec },
  status: {
    phase: "Running",
    podIP: "10.42.0.1",
    podIPs: [{ ip: "10.42.0.1" }, { ip: "fd00:0:0::1" }],
    ...status,
  },
});

describe("of a pod", () => {
  test("its addresses, labels and sidecar's ports are kept, and nothing else", () => {
    expect(meshPodOf(pod(), same)).toEqual({
      metadata: { name: "shop/cart-0", resourceVersion: "12" },
      ips: "10.42.0.1,fd00::1",
      traits: { namespace: "shop", labels: { app: "cart" }, inbound: { excluded: [] } },
    });
  });

  test.each([
    ["on the host's network", { hostNetwork: true }, {}],
    ["that has succeeded", {}, { phase: "Succeeded" }],
    ["that has failed", {}, { phase: "Failed" }],
    ["that has no address yet", {}, { podIPs: undefined }],
  ])("%s no address is kept", (_, spec, status) => {
    expect(meshPodOf(pod({}, spec, status), same).ips).toBe("");
  });

  test.each([
    [{ includeInboundPorts: "*" }, { excluded: [] }],
    [{ includeInboundPorts: "" }, { included: [], excluded: [] }],
    [{ includeInboundPorts: "80, 8080" }, { included: [80, 8080], excluded: [] }],
    [{ excludeInboundPorts: "20880,15090" }, { excluded: [20_880, 15_090] }],
    [{ excludeInboundPorts: "x,,-1,2.5,7" }, { excluded: [7] }],
  ])("the annotations %j are read", (notes, inbound) => {
    const annotations = Object.fromEntries(
      Object.entries(notes).map(([key, value]) => [`traffic.sidecar.istio.io/${key}`, value]),
    );
    expect(meshPodOf(pod(annotations), same).traits.inbound).toEqual(inbound);
  });
});

test("a policy is read, and an odd field counts as absent", () => {
  const metadata = { namespace: "shop", name: "p", creationTimestamp: "2026-01-01T00:00:00Z" };
  const spec = {
    selector: { matchLabels: { app: "cart" } },
    mtls: { mode: "STRICT" },
    portLevelMtls: { 20880: { mode: "DISABLE" }, 8080: { mode: "UNSET" }, x: 5 },
  };
  const precedence = "2026-01-01T00:00:00Z p";
  const read = peerPolicyOf({ metadata, spec });
  expect(read).toMatchObject({ namespace: "shop", precedence, selector: { app: "cart" }, mode: "STRICT" });
  expect(read.portModes.get(20_880)).toBe("DISABLE");
  expect(read.portModes.get(8_080)).toBeUndefined();
  const odd = { selector: "all", mtls: { mode: 1 }, portLevelMtls: [] };
  expect(peerPolicyOf({ metadata, spec: odd })).toEqual({
    metadata: { namespace: "shop", name: "p" },
    namespace: "shop",
    precedence,
    selector: {},
    mode: undefined,
    portModes: new Map(),
  });
});

describe("a policy whose author has no measure", () => {
  const metadata = { namespace: "shop", name: "p" };

  test("counts with its first 1,000 ports, and with none that no pod can have", () => {
    const ports = Array.from({ length: 40_000 }, (_, at) => [`${40_000 - at}`, { mode: "DISABLE" }]);
    const more = { 0: { mode: "DISABLE" }, 65536: { mode: "DISABLE" }, "1.5": { mode: "DISABLE" } };
    const { portModes } = peerPolicyOf({
      metadata,
      spec: { portLevelMtls: { ...Object.fromEntries(ports), ...more } },
    });
    expect([...portModes.keys()]).toEqual(Array.from({ length: 1_000 }, (_, at) => at + 1));
  });

  test("selects nobody with more labels than a pod that counts can have", () => {
    const matchLabels = Object.fromEntries(Array.from({ length: 1_000 }, (_, at) => [`label-${at}`, "x"]));
    const policy = peerPolicyOf({ metadata, spec: { selector: { matchLabels }, mtls: { mode: "DISABLE" } } });
    expect(policy.selector).toEqual({ "": "" }); // no label of a pod, and not the absence of a selector
  });
});

test("of a sidecar's ports the first 1,000 are kept", () => {
  const list = Array.from({ length: 5_000 }, (_, at) => at + 1).join();
  const { inbound } = meshPodOf(pod({ "traffic.sidecar.istio.io/excludeInboundPorts": list }), same).traits;
  expect(inbound.excluded).toHaveLength(1_000);
});

test("whatever the API server has stored is read", () => {
  fc.assert(
    fc.property(fc.anything(), fc.anything(), (spec, status) => {
      const object = { ...pod(), spec, status };
      expect(meshPodOf(object, same).metadata.name).toBe("shop/cart-0");
      expect(peerPolicyOf(object).namespace).toBe("shop");
    }),
  );
});

test.each([
  ["10.42.0.1", "10.42.0.1"],
  ["FD00:0:0:0::0001", "fd00::1"],
  ["::ffff:10.42.0.1", "10.42.0.1"],
  ["::FFFF:0a2a:0001", "10.42.0.1"],
  ["0:0:0:0:0:ffff:a2a:1", "10.42.0.1"],
  ["::10.42.0.1", "::10.42.0.1"],
  ["::ffff:0:a2a:1", "::ffff:0:a2a:1"],
  ["db.example.org", "db.example.org"],
  ["not::an:address::at:all", "not::an:address::at:all"],
])("%s is spelled %s", (address, expected) => {
  expect(canonicalIp(address)).toBe(expected);
});
