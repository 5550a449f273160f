import type { Schema } from "./schemas.ts";

// Istio's CRDs as far as types go, without their descriptions, patterns and rules.
// Source: istio.io/api 1.31.1, kubernetes/customresourcedefinitions.gen.yaml.

const text: Schema = { type: "string" };
const number: Schema = { type: "integer", minimum: 0, maximum: 4_294_967_295 };
const texts: Schema = { type: "array", items: text };
const named = (properties: Schema["properties"] = {}): Schema => ({ type: "object", properties });

const status: Schema = {
  type: "object",
  "x-kubernetes-preserve-unknown-fields": true,
  properties: {
    addresses: { type: "array", items: named({ value: text, host: text }) }, // not in the schema, but what Istio writes
    conditions: {
      type: "array",
      items: named({
        type: text,
        status: text,
        reason: text,
        message: text,
        observedGeneration: { anyOf: [number, text] },
      }),
    },
  },
};

export const serviceEntrySchema: Schema = {
  type: "object",
  required: ["spec"],
  properties: {
    spec: {
      type: "object",
      required: ["hosts"],
      properties: {
        addresses: { type: "array", items: { type: "string", maxLength: 64 } },
        endpoints: {
          type: "array",
          items: named({
            address: text,
            labels: { type: "object", additionalProperties: text },
            locality: text,
            network: text,
            ports: { type: "object", additionalProperties: number },
            serviceAccount: { type: "string", maxLength: 253 },
            weight: number,
          }),
        },
        exportTo: texts,
        hosts: { ...texts, minItems: 1 },
        location: { type: "string", enum: ["MESH_EXTERNAL", "MESH_INTERNAL"] },
        ports: {
          type: "array",
          items: {
            type: "object",
            required: ["number", "name"],
            properties: { name: text, number, protocol: text, targetPort: number },
          },
        },
        resolution: { type: "string", enum: ["NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN"] },
        subjectAltNames: texts,
        workloadSelector: named({
          labels: { type: "object", additionalProperties: { type: "string", maxLength: 63 } },
        }),
      },
    },
    status,
  },
};

export const envoyFilterSchema: Schema = {
  type: "object",
  properties: {
    spec: named({
      configPatches: {
        type: "array",
        items: named({
          applyTo: { type: "string", enum: ["LISTENER", "NETWORK_FILTER", "CLUSTER"] },
          match: {
            type: "object",
            properties: {
              context: { type: "string", enum: ["ANY", "SIDECAR_INBOUND", "SIDECAR_OUTBOUND"] },
              listener: named({
                filterChain: named({ destinationPort: number }),
                name: text,
                portNumber: number,
              }),
            },
          },
          patch: named({
            operation: { type: "string", enum: ["MERGE", "REPLACE"] },
            value: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
          }),
        }),
      },
      priority: { type: "integer", minimum: 0 },
      workloadSelector: named({
        labels: { type: "object", additionalProperties: { type: "string", maxLength: 63 } },
      }),
    }),
    status,
  },
};
