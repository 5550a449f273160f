import { describe, expect, test } from "vitest";
import {
  ambientWithoutL7,
  hiddenByMesh,
  type MeshView,
} from "../../../../src/controllers/hub/mesh-warnings.ts";
import { KubeError } from "../../../../src/kube/errors.ts";

const ambientLabel: Readonly<Record<string, string>> = { "istio.io/dataplane-mode": "ambient" };

/** A mesh with the target `shop`, these settings, and these ambient namespaces. */
function meshOf(serviceEntryVisibility: object | undefined, ambient: readonly string[] = []): MeshView {
  const names = new Set(["shop", "web", ...ambient]);
  const namespaceOf = (name: string) => ({
    metadata: { name, labels: ambient.includes(name) ? ambientLabel : {} },
  });
  const object = { metadata: { namespace: "istio-system", name: "istio" } };
  return {
    namespaces: {
      objects: new Map([...names].map((name) => [name, namespaceOf(name)])),
      status: { state: "synced" },
    },
    settings: { configs: [{ object, mesh: { serviceEntryVisibility } }] },
  };
}

const previous = {
  problems: [
    { at: "shop", problem: "HiddenByMesh: because", severity: "warning" as const },
    { at: "shop", problem: "AmbientNoL7: because", severity: "warning" as const },
    { at: "shop", problem: "HostConflict: x", severity: "rejected" as const },
  ],
};

describe("HiddenByMesh", () => {
  const from = (view: MeshView): string | undefined =>
    / from (.*?); /.exec(hiddenByMesh("shop", view, previous)[0]?.detail ?? "")?.[1];

  test.each<[string, object | undefined, readonly string[], string | undefined]>([
    ["not set", undefined, ["web"], undefined],
    ["PUBLIC", { defaultVisibility: "PUBLIC", applyToSidecars: true }, ["web"], undefined],
    ["NONE, sidecars too", { defaultVisibility: "NONE", applyToSidecars: true }, [], "every workload"],
    [
      "NAMESPACE, sidecars too",
      { defaultVisibility: "NAMESPACE", applyToSidecars: true },
      [],
      "workloads of other namespaces",
    ],
    ["NONE, and no ambient namespace", { defaultVisibility: "NONE" }, [], undefined],
    [
      "NONE, and only the target is ambient",
      { defaultVisibility: "NONE" },
      ["shop"],
      "every ambient workload",
    ],
    ["NAMESPACE, and only the target is ambient", { defaultVisibility: "NAMESPACE" }, ["shop"], undefined],
    [
      "NAMESPACE, and another one is ambient",
      { defaultVisibility: "NAMESPACE" },
      ["web"],
      "ambient workloads of other namespaces",
    ],
  ])("with serviceEntryVisibility %s", (_, setting, ambient, expected) => {
    expect(from(meshOf(setting, ambient))).toBe(expected);
  });

  const hidden = { defaultVisibility: "NONE", applyToSidecars: true };

  test("names the ConfigMap, the namespace and the next step", () => {
    expect(hiddenByMesh("shop", meshOf(hidden), undefined)).toEqual([
      {
        at: "shop",
        code: "HiddenByMesh",
        detail:
          "meshConfig.serviceEntryVisibility (ConfigMap istio-system/istio) hides the ServiceEntries of namespace shop from every workload; have the mesh's administrator add a policy with visibility PUBLIC that selects this namespace",
        severity: "warning",
      },
    ]);
  });

  test("is that of the revision that hides, if another one does not", () => {
    const { namespaces, settings } = meshOf(hidden);
    const open = { object: { metadata: { namespace: "istio-system", name: "istio-old" } }, mesh: {} };
    const configs = [open, ...(settings.configs ?? [])];
    expect(from({ namespaces, settings: { configs } })).toBe("every workload");
  });

  test.each([
    ["the API server has not said what there is: what the status says", undefined, ["because"]],
    ["nothing may be read: none", [], []],
  ])("%s", (_, configs, expected) => {
    const { namespaces } = meshOf(hidden);
    const found = hiddenByMesh("shop", { namespaces, settings: { configs } }, previous);
    expect(found.map(({ detail }) => detail)).toEqual(expected);
  });

  test("nothing is said of a target that does not exist: its hub is failed", () => {
    expect(hiddenByMesh("gone", meshOf(hidden), previous)).toEqual([]);
  });
});

describe("AmbientNoL7", () => {
  const hub = { target: "shop", l7: true };
  const dubbo = { hasDubbo: true };

  test("names the first three ambient namespaces, and says what to do", () => {
    const view = meshOf(undefined, ["d", "b", "a", "c", "shop"]);
    expect(ambientWithoutL7(hub, dubbo, view, undefined)).toEqual([
      {
        at: "shop",
        code: "AmbientNoL7",
        detail:
          "consumers in ambient namespaces (a, b, c and 2 more) have no sidecar, so no EnvoyFilter acts on them and Dubbo is balanced by connection, not by call; give them sidecars, or set spec.l7: false if that is enough",
        severity: "warning",
      },
    ]);
  });

  test("names only those that see the hub's entries", () => {
    const view = meshOf(undefined, ["a", "b", "shop"]);
    const named = (...exportTo: string[]) =>
      ambientWithoutL7({ ...hub, exportTo }, dubbo, view, undefined).map(({ detail }) =>
        /\((.*?)\)/.exec(detail)?.at(1),
      );
    expect([named("b", "web"), named("."), named("web"), named("shop")]).toEqual([
      ["b"],
      ["shop"],
      [],
      ["shop"],
    ]);
  });

  test.each([
    ["there is no ambient namespace", hub, dubbo, []],
    ["the hub lists no Dubbo service", hub, { hasDubbo: false }, ["web"]],
    ["the hub wants no filters", { ...hub, l7: false }, dubbo, ["web"]],
  ])("is silent where %s", (_, one, listings, ambient) => {
    expect(ambientWithoutL7(one, listings, meshOf(undefined, ambient), previous)).toEqual([]);
  });

  test("is what the status says of this target while the namespaces are not known", () => {
    const error = new KubeError({ status: 503, reason: "x", text: "x" });
    const namespaces = { objects: new Map(), status: { state: "pending", error } } as const;
    const view = { namespaces };
    const found = ambientWithoutL7(hub, dubbo, view, previous);
    expect(found).toEqual([{ at: "shop", code: "AmbientNoL7", detail: "because", severity: "warning" }]);
    expect(ambientWithoutL7({ ...hub, target: "other" }, dubbo, view, previous)).toEqual([]);
  });
});
