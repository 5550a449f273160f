import { expect, test } from "vitest";
import { failureOf } from "../../../../src/controllers/writes/apply-failure.ts";
import { KubeError } from "../../../../src/kube/errors.ts";

const entries = 'serviceentries.networking.istio.io "aeraki-a" is forbidden';

// The texts are kube-apiserver's.
test.each([
  [
    `${entries}: User "system:serviceaccount:servicemesh:registryhub" cannot patch resource "serviceentries"`,
    "Forbidden",
    "Grant the operator's ServiceAccount",
  ],
  [
    `${entries}: exceeded quota: few, requested: count/serviceentries.networking.istio.io=1, used: 5, limited: 5`,
    "ApplyFailed",
    "ResourceQuota",
  ],
  ['admission webhook "policy.example.org" denied the request: no', "ApplyFailed", "admission rule"],
  [
    `${entries}: ValidatingAdmissionPolicy 'hosts' with binding 'all' denied request: no`,
    "ApplyFailed",
    "admission rule",
  ],
])("a 403 that says %s", (text, reason, nextStep) => {
  const failure = failureOf(new KubeError({ status: 403, reason: "Forbidden", text }));
  expect(failure).toMatchObject({ reason, detail: text });
  expect(failure.nextStep).toContain(nextStep);
});

test("a type that is not served says which version of it is missing: its CRD may be there, without that version", () => {
  const text = "the server could not find the requested resource";
  const failure = failureOf(new KubeError({ status: 404, reason: "ResourceTypeMissing", text }));
  expect(failure.reason).toBe("IstioMissing");
  expect(failure.detail).toContain("networking.istio.io/v1beta1 ServiceEntry");
});
