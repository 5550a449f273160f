import { describe, expect, test } from "vitest";
import type { PodReport } from "../../../src/cli/doctor/pod.ts";
import { UsageError } from "../../../src/cli/usage-error.ts";
import type { World } from "../../controllers/world.ts";
import { doctor, shownBelow } from "../../support/commands.ts";
import { capturing, injector, meshConfig, openHealthy, pod, putPod, sidecar } from "./doctor-scene.ts";

/** What it says of `demo/app`, or of another pod, after one change of a healthy cluster. */
async function reportAfter(change: (world: World) => unknown, name = "demo/app", scene = {}) {
  const world = await openHealthy(scene);
  await change(world);
  const { report, lines, isFine } = await doctor(world, name);
  return { report: report as PodReport, lines, isFine };
}

const app = (scene: Parameters<typeof pod>[1] = {}) => pod("app", scene);
const labelled = (name: string, labels: Readonly<Record<string, string>>) => ({
  apiVersion: "v1",
  kind: "Namespace",
  metadata: { name, labels },
});

test("a consumer that has all it needs reaches the hosts, by name and by virtual IP", async () => {
  const { lines, isFine } = await reportAfter((world) => putPod(world, app()));
  expect(isFine).toBe(true);
  expect(lines[0]).toBe("Pod demo/app: nothing is in its way");
  expect(lines.at(-1)).toBe("Pod demo/app reaches 2 hosts of hubs, by name and by virtual IP.");
});

describe("a pod without a sidecar reaches nothing, and is told why (FAQ 4.1):", () => {
  test.each<[string, Parameters<typeof pod>[1], RegExp]>([
    ["hostNetwork", { hostNetwork: true }, /hostNetwork: true/],
    ["a label", { labels: { "sidecar.istio.io/inject": "false" } }, /inject: "false"/],
    ["an annotation", { annotations: { "sidecar.istio.io/inject": "false" } }, /inject: "false"/],
    ["nobody asks", {}, /do not ask for one .*, and neither does namespace demo/],
    ["too old", { labels: { "sidecar.istio.io/inject": "true" } }, /older than the label/],
  ])("%s", async (_, scene, cause) => {
    const { lines, isFine } = await reportAfter((world) =>
      putPod(world, app({ hasSidecar: false, ...scene })),
    );
    expect(isFine).toBe(false);
    expect(lines.slice(0, 3)).toEqual([
      "Pod demo/app has no sidecar (FAQ 4.1)",
      expect.stringMatching(cause),
      expect.stringMatching(/^fix: {3}./),
    ]);
    expect(lines.at(-1)).toBe(
      "Pod demo/app reaches no host of hubs, neither by name nor by virtual IP: it has no sidecar.",
    );
  });

  test("in a namespace whose label is younger", async () => {
    const { report } = await reportAfter((world) => {
      world.person.put(labelled("demo", { "istio-injection": "enabled" }));
      putPod(world, app({ hasSidecar: false }));
    });
    expect(report.findings[0]?.cause).toMatch(/^it is older than the label/);
  });
});

test("without DNS capture it reaches virtual IPs only", async () => {
  const { report, isFine } = await reportAfter((world) => putPod(world, app({ dns: "false" })));
  expect(isFine).toBe(false);
  expect(report.answer).toBe("Pod demo/app reaches 2 hosts of hubs by virtual IP, and none by name.");
});

describe("outbound connections that its sidecar does not take:", () => {
  const ranges = "traffic.sidecar.istio.io/includeOutboundIPRanges";
  test.each<[string, Parameters<typeof pod>[1], string | undefined]>([
    ["ranges of istio-init", { args: ["-i", "10.0.0.0/8"] }, "includeOutboundIPRanges has only 10.0.0.0/8"],
    [
      "an annotation",
      { annotations: { [ranges]: "10.0.0.0/8" } },
      "includeOutboundIPRanges has only 10.0.0.0/8",
    ],
    ["no range at all", { args: ["-i", ""] }, 'includeOutboundIPRanges has only ""'],
    [
      "a range left out",
      { args: ["-i", "*", "-x", "10.0.0.0/8,240.0.0.0/4"] },
      "excludeOutboundIPRanges has 240.0.0.0/4",
    ],
    ["a port left out", { args: ["-i", "*", "-o", "3306, 20880"] }, "excludeOutboundPorts has 20880"],
    ["a port taken in", { args: ["-i", "10.0.0.0/8", "-q", "20880"] }, undefined],
    ["the range taken in", { args: ["-i", "10.0.0.0/8,240.241.0.0/16"] }, undefined],
    [
      "arguments before annotations",
      { args: ["-i", "*"], annotations: { [ranges]: "10.0.0.0/8" } },
      undefined,
    ],
  ])("%s", async (_, scene, why) => {
    const { report } = await reportAfter((world) => putPod(world, app(scene)));
    expect(report.findings.map(({ cause }) => cause.split(" (")[0])).toEqual(why === undefined ? [] : [why]);
    expect(report.reachable).toBe(why === undefined ? 2 : 0);
  });

  test("those of the injector, where the pod says nothing", async () => {
    const { report } = await reportAfter((world) => {
      world.person.put(injector({ includeIPRanges: "10.0.0.0/8" }));
      putPod(world, app());
    });
    expect(report.reachable).toBe(0);
  });
});

describe("the Sidecar that applies", () => {
  const own = (hosts: readonly string[], labels = {}) => sidecar([{ hosts }], { namespace: "shop", labels });
  const shop = "shop/app";
  const inShop = (world: World, labels = {}) => {
    world.person.createNamespace("shop");
    putPod(world, app({ namespace: "shop", labels }));
  };

  test("is that of the root namespace, where its own has none (FAQ 4.3)", async () => {
    const { lines, isFine } = await reportAfter((world) => {
      inShop(world);
      world.person.put(sidecar([{ hosts: ["./*", "istio-system/*"] }]));
    }, shop);
    expect(isFine).toBe(false);
    expect(lines.slice(0, 3)).toEqual([
      "the proxy of Pod shop/app does not see 2 hosts of hubs (FAQ 4.3)",
      "cause: Sidecar istio-system/default restricts egress, and lacks demo/*",
      "fix:   Create a Sidecar in namespace shop, with demo/* in egress.hosts besides what that one has.",
    ]);
  });

  test.each<[string, readonly string[], number]>([
    ["all", ["*/*"], 2],
    ["a namespace", ["demo/*"], 2],
    ["one host", ["demo/demo.a.demo"], 1],
    ["a wildcard", ["*/*.demo"], 2],
    ["its own namespace", ["./*"], 0],
    ["none", ["~/*"], 0],
    ["all but one (Istio 1.31)", ["*/*", "~demo/demo.a.demo"], 1],
    ["all but one of any namespace", ["*/*", "~/demo.a.demo"], 1],
    ["all but a namespace", ["*/*", "~demo/*"], 0],
  ])("shows %s", async (_, hosts, reachable) => {
    const { report, isFine } = await reportAfter((world) => {
      inShop(world);
      world.person.put(own(hosts));
    }, shop);
    expect(report.reachable).toBe(reachable);
    expect(isFine).toBe(reachable > 0);
  });

  test("with a selector is for its pods only", async () => {
    const change = (labels: object) => (world: World) => {
      inShop(world, labels);
      world.person.put(own(["~/*"], { app: "web" }));
    };
    expect((await reportAfter(change({ app: "web" }), shop)).report.reachable).toBe(0);
    expect((await reportAfter(change({ app: "api" }), shop)).report.reachable).toBe(2);
  });

  const port = (protocol: string) => ({ port: { number: 20_880, protocol, name: "x" } });
  test.each<[string, readonly object[], string | undefined]>([
    ["with a port", [{ ...port("TCP") }], undefined],
    ["with another port", [{ port: { number: 80, protocol: "HTTP" } }, {}], undefined],
    ["with a port for HTTP", [port("http2")], "take port 20880 for HTTP2 (port.protocol)"],
    ["with a port for HTTP, and a wider egress", [port("HTTP"), {}], undefined],
    ["with a bind", [{ bind: "127.0.0.9" }], "listen at 127.0.0.9 (bind, captureMode)"],
    ["without capture", [{ captureMode: "NONE" }], "listen at 127.0.0.1 (bind, captureMode)"],
  ])("%s has calls reach their virtual IP, or not", async (_, listeners, why) => {
    const egress = listeners.map((one) => ({ ...one, hosts: ["*/*"] }));
    const { report } = await reportAfter((world) => {
      inShop(world);
      world.person.put(sidecar(egress, { namespace: "shop" }));
    }, shop);
    const told = `Sidecar shop/default has egress by which it would ${why}`;
    expect(report.findings.map(({ cause }) => cause)).toEqual(why === undefined ? [] : [told]);
    expect(report.reachable).toBe(why === undefined ? 2 : 0);
  });
});

test("as docs/commands.md shows it", async () => {
  const { lines } = await reportAfter((world) => {
    putPod(world, app({ namespace: "default", args: ["-i", "*", "-x", ""], dns: "false" }));
    world.person.put(sidecar([{ hosts: ["./*", "demo/demo.a.demo"] }]));
  }, "default/app");
  expect(lines.join("\n")).toBe(shownBelow("kubectl registryhub doctor --pod default/app"));
});

test("a hub's exportTo that lacks its namespace", async () => {
  const change = (world: World) => putPod(world, app({ namespace: "default" }));
  const { report, isFine } = await reportAfter(change, "default/app", { spec: { exportTo: ["."] } });
  expect(report.findings[0]?.cause).toBe("spec.exportTo of RegistryHub demo/hub lacks default");
  expect(report.reachable).toBe(0);
  expect(isFine).toBe(false);
});

test("a mesh that hides the hosts from its namespace", async () => {
  const hiding = "serviceEntryVisibility: { defaultVisibility: NAMESPACE, applyToSidecars: true }\n";
  const change = (world: World) => {
    world.person.put(meshConfig(capturing + hiding));
    putPod(world, app({ namespace: "default" }));
  };
  expect((await reportAfter(change, "default/app")).report.reachable).toBe(0);
  expect((await reportAfter(change, "demo/shop")).report.reachable).toBe(2);
});

test("an ambient pod follows no Sidecar, and nobody can tell whether it has DNS", async () => {
  const { report, isFine } = await reportAfter((world) => {
    world.person.put(labelled("demo", { "istio.io/dataplane-mode": "ambient" }));
    world.person.put(sidecar([{ hosts: ["~/*"] }]));
    putPod(world, app({ hasSidecar: false }));
  });
  expect(isFine).toBe(true);
  expect(report.answer).toBe(
    "Pod demo/app reaches 2 hosts of hubs by virtual IP, and by name if ztunnel answers DNS.",
  );
});

test("the answer names what was not seen", async () => {
  const { report } = await reportAfter((world) => {
    putPod(world, app());
    for (const resource of ["sidecars", "configmaps"]) world.api.forbid({ resource, user: "alice" });
  });
  expect(report.answer).toMatch(
    /by virtual IP, unless what you may not see keeps it from them: Sidecars, the injector's ranges, serviceEntryVisibility\.$/,
  );
});

test("a pod that is not there, or that nobody may see", async () => {
  await expect(reportAfter(() => undefined, "demo/none")).rejects.toThrow(UsageError);
  const blind = reportAfter(({ api }) => api.forbid({ resource: "pods", user: "alice" }));
  await expect(blind).rejects.toMatchObject({ reason: "Forbidden" });
});
