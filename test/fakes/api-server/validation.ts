import { invalid, Refusal } from "./answer.ts";
import { isObject, type Json } from "./fields.ts";
import type { ApiType, Stored } from "./types.ts";

/** A stored list whose elements lack their key cannot be merged with anything: the server says 500. @throws Refusal */
export function refuseUnkeyed(type: ApiType, { status, metadata }: Stored): void {
  const conditions = isObject(status) ? status.conditions : undefined;
  const key = type.listKeys["status.conditions"];
  if (key === undefined || !Array.isArray(conditions)) return;
  if (conditions.every((one: unknown) => isObject(one) && one[key] !== undefined)) return;
  const message = `failed to create typed live object (${metadata.namespace ?? ""}/${metadata.name}): .status.conditions: element 0: associative list with keys has an element that omits key field "type"`;
  throw new Refusal({
    code: 500,
    body: { kind: "Status", status: "Failure", message, reason: "InternalError", code: 500 },
  });
}

const maxPort = 65_535;

/** The little validation that tests rely on: names, and the ports of a ServiceEntry. @throws Refusal */
export function validate(type: ApiType, { metadata: { name }, spec }: Stored): void {
  const isLegal =
    /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(name) && !/[.-]\.|\.-/.test(name) && name.length <= 253;
  if (!isLegal) refuse(type, name, `metadata.name: Invalid value: "${name}": a lowercase RFC 1123 subdomain`);
  if (type.plural !== "serviceentries" || !isObject(spec) || !Array.isArray(spec.ports)) return;
  for (const [at, { number }] of (spec.ports as Json[]).entries()) {
    const isPort = Number(number) >= 1 && Number(number) <= maxPort;
    const what = `spec.ports[${at}].number: Invalid value: ${String(number)}`;
    if (!isPort) refuse(type, name, `${what}: port number must be between 1-${maxPort}`);
  }
}

function refuse(type: ApiType, name: string, problem: string): never {
  throw new Refusal(invalid(type, name, problem));
}
