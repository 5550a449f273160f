import { RegistryError } from "../../model/errors.ts";
import type { Problem } from "../../model/problems.ts";
import { allServices, type ConsulApi, type IndexedAnswer, type Right } from "./api.ts";

/** The catalog lacks services that the token may not read. */
export const hiddenServices: Problem = {
  at: allServices.path,
  code: "Hidden",
  detail:
    'the token may not read all services, so the operator keeps what the cluster has of the others; to read them, grant the token service_prefix "" with policy read',
  severity: "warning",
};

/**
 * Fails if the catalog shows no service that the hub wants because of missing rights, or if nobody says what a client
 * without a token may not see. @throws RegistryError.
 */
export async function assertVisibility(
  api: ConsulApi,
  { sight }: IndexedAnswer<unknown>,
  wanted: readonly string[],
): Promise<void> {
  const needed: Right[] = [];
  if (wanted.length === 0) needed.push({ resource: "service", name: "" });
  if (sight === "silent") needed.push({ resource: "node", name: "" });
  if (needed.length === 0 || sight === "whole") return;
  if (sight !== "filtered" && (await api.mayRead(needed))) return;
  const why =
    sight === "silent"
      ? "without a token the operator may not read all nodes and services"
      : "the token may not read any service that the hub wants";
  const detail = `GET ${allServices.path} at ${api.server.name}: ${why}`;
  const advice =
    'Put a token with service_prefix "" and node_prefix "" (policy read) into the Secret of spec.secretRef.';
  throw new RegistryError("RegistryUnauthorized", detail, advice);
}

/** The error for an index that went back. */
export function startedOver({ server }: ConsulApi, whatWentBack: string): RegistryError {
  const detail = `${server.name}: ${whatWentBack} went back, so data was lost or restored`;
  const advice = "Check whether the registry was wiped or restored. The operator keeps what it had for now.";
  return new RegistryError("RegistryBadResponse", detail, advice, { reset: true });
}
