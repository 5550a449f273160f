import { expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { ARRIVES_MS, useMesh } from "./world.ts";

const mesh = useMesh({ mayRefuse: true });

/** The webhook takes it, and no Envoy does. */
const filter = {
  apiVersion: "networking.istio.io/v1alpha3",
  kind: "EnvoyFilter",
  metadata: { name: "refused", namespace: "servicemesh" },
  spec: {
    configPatches: [
      {
        applyTo: "CLUSTER",
        match: { context: "SIDECAR_OUTBOUND" },
        patch: { operation: "ADD", value: { name: "refused", type: "STATIC", connect_timeout: "-1s" } },
      },
    ],
  },
};

test("what Envoy refuses is counted, by itself and by istiod: every other story has none", async () => {
  const { world, sidecar, istiod } = mesh;
  const counted = async () => ({ refused: await sidecar.rejects(), told: await istiod.rejects() });
  expect(await counted()).toEqual({ refused: 0, told: 0 });
  await world.api.kubectl(["apply", "-f", "-"], { input: JSON.stringify(filter) });
  await eventually(async () => {
    const { refused, told } = await counted();
    expect([refused, told].every((count) => count > 0)).toBe(true);
  }, ARRIVES_MS);
});
