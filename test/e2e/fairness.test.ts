import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import type { ApiServer } from "../bed/api-server.ts";
import { selfSigned } from "../support/certificate.ts";
import { eventually } from "../support/eventually.ts";
import { endpointsOf, newTenant, providerUrl, SOON_MS, type Tenant, untilReady, useWorld } from "./world.ts";

const CROWD = 200;
const WEBHOOK_MS = 1_000;

const world = useWorld();

test("an admission webhook that is slow for one namespace delays no other (I3)", async () => {
  const [slow, quick] = [await newTenant(world), await newTenant(world)];
  await using _webhook = await slowAdmission(world.api, slow.namespace, WEBHOOK_MS);
  await quick.provide(shopUrl("Quick", 1));
  await quick.applyHub();
  await untilReady(quick);
  await slow.provide(...Array.from({ length: CROWD }, (_, at) => shopUrl(`Slow${at}`, at % 250)));
  await slow.applyHub();
  await eventually(async () => expect(await slow.entries()).not.toHaveLength(0), SOON_MS);

  await quick.provide(shopUrl("Quick", 2));
  await eventually(async () => expect(await endpoints(quick)).toHaveLength(2), SOON_MS);
  // In one line with the others its write would have come after all of theirs; on an idle machine it is there before ten are.
  expect((await slow.entries()).length).toBeLessThan(CROWD / 2);
});

const shopUrl = (shop: string, last: number): string =>
  providerUrl(`org.example.${shop}`, `10.42.5.${last}:20880`);

const endpoints = async (tenant: Tenant): Promise<readonly string[]> =>
  (await tenant.entries()).flatMap(endpointsOf);

/** An admission webhook that lets every write of a ServiceEntry of the namespace pass, after so long. Disposal takes it away. */
async function slowAdmission(api: ApiServer, namespace: string, ms: number): Promise<AsyncDisposable> {
  const { certificate, key } = selfSigned("webhook");
  const server = createServer({ cert: certificate, key }, (request, response) => {
    void answer(request, response, ms);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
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
    metadata: { name: "slow" },
    webhooks: [webhook],
  };
  await api.kubectl(["apply", "-f", "-"], { input: JSON.stringify(configuration) });
  return {
    async [Symbol.asyncDispose]() {
      await api.kubectl(["delete", "validatingwebhookconfiguration", "slow"]);
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

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
