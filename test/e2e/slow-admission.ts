import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "vitest";
import type { ApiServer } from "../bed/api-server.ts";
import { selfSigned } from "../support/certificate.ts";
import { eventually } from "../support/eventually.ts";
import { SOON_MS } from "./world.ts";

/**
 * An admission webhook in this process that lets every write of a ServiceEntry of the namespace pass, after so long: while
 * this process stands still, so do the writes. Returns when it is asked; disposal takes it away.
 */
export async function slowAdmission(api: ApiServer, namespace: string, ms: number): Promise<AsyncDisposable> {
  const { certificate, key } = selfSigned("webhook");
  let asked = 0;
  const server = createServer({ cert: certificate, key }, (request, response) => {
    asked++;
    void answer(request, response, ms);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const name = `slow-${namespace}`;
  const webhook = {
    name: "slow.example.org",
    clientConfig: {
      url: `https://127.0.0.1:${port}/`,
      caBundle: Buffer.from(certificate).toString("base64"),
    },
    rules: [
      {
        apiGroups: ["networking.istio.io"],
        apiVersions: ["*"],
        resources: ["serviceentries"],
        operations: ["CREATE", "UPDATE"],
      },
    ],
    namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": namespace } },
    admissionReviewVersions: ["v1"],
    sideEffects: "None",
  };
  const configuration = {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "ValidatingWebhookConfiguration",
    metadata: { name },
    webhooks: [webhook],
  };
  await api.kubectl(["apply", "-f", "-"], { input: JSON.stringify(configuration) });
  await eventually(async () => {
    await api.kubectl(["create", "--dry-run=server", "-n", namespace, "-f", "-"], { input: probe });
    expect(asked).toBeGreaterThan(0);
  }, SOON_MS);
  return {
    async [Symbol.asyncDispose]() {
      await api.kubectl(["delete", "validatingwebhookconfiguration", name]);
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const probe = JSON.stringify({
  apiVersion: "networking.istio.io/v1beta1",
  kind: "ServiceEntry",
  metadata: { name: "probe" },
  spec: {
    hosts: ["probe.example"],
    resolution: "NONE",
    ports: [{ number: 80, name: "tcp", protocol: "TCP" }],
  },
});

async function answer(request: IncomingMessage, response: ServerResponse, ms: number): Promise<void> {
  const review = JSON.parse(Buffer.concat(await request.toArray()).toString()) as Review;
  await delay(ms);
  const { apiVersion, kind, request: asked } = review;
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ apiVersion, kind, response: { uid: asked.uid, allowed: true } }));
}

/** Source: k8s.io/api/admission/v1/types.go (AdmissionReview). */
interface Review {
  readonly apiVersion: string;
  readonly kind: string;
  readonly request: { readonly uid: string };
}
