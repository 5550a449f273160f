import { createHash } from "node:crypto";
import type { HubId, HubKey } from "../model/hub.ts";
import type { ServiceKind } from "../model/service.ts";

const maxHostLength = 253;
const maxLabelLength = 63;
const maxNameLength = 253;

/** The first `digits` hex digits of sha256(text); an even number. */
export function hash(text: string, digits = 8): string {
  return createHash("sha256")
    .update(text)
    .digest()
    .toString("hex", 0, digits / 2);
}

/** The id of a hub in labels: the first 8 hex digits of sha256("<namespace>/<name>"). */
export function hubIdOf(key: HubKey): HubId {
  return hash(key);
}

/** `interface[-group][-version]`: absent parts leave no dash, and version 0.0.0 is absent. */
export function dubboServiceName(iface: string, group: string, version: string): string {
  return [iface, group, version === "0.0.0" ? "" : version].filter((part) => part !== "").join("-");
}

/** Dubbo's own `[group/]interface[:version]`, without version 0.0.0; two services never have the same one. */
export function dubboServiceKey(iface: string, group: string, version: string): string {
  return `${group && `${group}/`}${iface}${version === "" || version === "0.0.0" ? "" : `:${version}`}`;
}

/**
 * The host of a service in `target`, always a legal lower-case DNS name, and whether it needed more than
 * lower-casing. A pure function of the name: a changed DNS label ends in the hash of the original, so two names get
 * one host only if they differ in case alone. Undefined when the host would be longer than 253 characters.
 */
export function hostOf(
  serviceName: string,
  target: string,
): { readonly host: string; readonly altered: boolean } | undefined {
  const host = `${serviceName.split(".").map(legalLabel).join(".")}.${target}`;
  if (host.length > maxHostLength) return undefined;
  return { host, altered: host !== `${serviceName.toLowerCase()}.${target}` };
}

function legalLabel(original: string): string {
  const lower = original.toLowerCase();
  if (/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(lower) && lower.length <= maxLabelLength) return lower;
  const suffix = `-${hash(original)}`;
  const legal = lower.replaceAll(/[^-a-z0-9]/g, "-").replace(/^-+/, "");
  const cut = legal.slice(0, maxLabelLength - suffix.length).replace(/-+$/, "");
  return `${cut === "" ? "x" : cut}${suffix}`;
}

/** `[manual]` the metadata.name of the host's entry. Another host may have the same one, and it may be too long. */
export function baseName(kind: ServiceKind, host: string): string {
  return kind === "dubbo" ? `aeraki-${host.replaceAll(/[^a-z0-9]/g, "-")}` : host;
}

/**
 * The metadata.name for a new entry: its base name, or that name with the host's hash if it is too long or `taken` by
 * another host's object.
 */
export function objectName(kind: ServiceKind, host: string, taken: (name: string) => boolean): string {
  const base = baseName(kind, host);
  if (base.length <= maxNameLength && !taken(base)) return base;
  return withHash(base, host);
}

/** `base`, cut so that metadata.name has room for the hash of `of`. */
export function withHash(base: string, of: string): string {
  const suffix = `-${hash(of)}`;
  return `${base.slice(0, maxNameLength - suffix.length).replace(/[-.]+$/, "")}${suffix}`;
}
