import type { RegistryHub } from "../../src/model/registryhub.ts";
import { type HubView, hubStatusOf } from "../../src/status/hub-status.ts";
import { hubIn, hubObject, hubView, writtenEntries } from "../support/model.ts";

const now = "2024-02-04T02:53:25Z";
const started = { isListed: false, hasAnswered: false, hasMoved: false, isFresh: false } as const;
const hold = { since: now, until: "2024-02-04T02:58:25Z", services: 7, endpoints: 31 };

/** A hub with the status that the operator gives it. */
function hubWith(overrides: Partial<HubView> = {}, spec: Partial<RegistryHub["spec"]> = {}): RegistryHub {
  const object = hubObject(spec);
  const entries = writtenEntries([{ name: "aeraki-x", writtenAt: now }]);
  const view = hubView({ hub: hubIn(object), entries, ...overrides });
  return { ...object, status: hubStatusOf(view, now) };
}

function editedSince(hub: RegistryHub): RegistryHub {
  return { ...hub, metadata: { ...hub.metadata, generation: 2 } };
}

/** Hubs in every state that a GitOps tool tells apart, by the name that Argo CD's test data have: `<health>_<why>`. */
export const hubs: Readonly<Record<string, RegistryHub>> = {
  progressing_noStatus: hubObject(),
  progressing_connecting: hubWith({ registry: { state: "connecting" }, progress: started }),
  progressing_syncing: hubWith({ syncing: "long" }),
  progressing_edited: editedSince(hubWith()),
  healthy_ready: hubWith(),
  healthy_observing: hubWith({ plan: { create: 3, change: 0, remove: 1 } }, { policy: "observe" }),
  healthy_removalsHeld: hubWith({ held: { reason: "Shrunk", hold } }),
  suspended_suspended: hubWith({}, { suspend: true }),
  degraded_registryUnreachable: hubWith({
    registry: {
      state: "failed",
      code: "RegistryUnreachable",
      detail: "lookup zookeeper.dubbozk: no such host",
      nextStep: "Check spec.address.",
    },
  }),
  degraded_namespaceMissing: hubWith({
    failure: {
      reason: "NamespaceMissing",
      detail: "namespace dubbozk does not exist",
      nextStep: "Create it.",
    },
  }),
};
