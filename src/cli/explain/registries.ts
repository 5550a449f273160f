import { credentialsOf } from "../../controllers/hub/credentials.ts";
import { KubeError } from "../../kube/errors.ts";
import type { Ms } from "../../model/entry.ts";
import { RegistryError } from "../../model/errors.ts";
import type { Hub, HubKey } from "../../model/hub.ts";
import type { Snapshot } from "../../model/service.ts";
import type { Access } from "../access.ts";
import { counted } from "../output.ts";
import { type RegistryDeps, readOnce } from "../read-registry.ts";
import type { KnownHub } from "./asked.ts";
import type { Objects } from "./objects.ts";

/** A registry, read a moment ago; or why it was not, in words. */
export type Reading = Snapshot | { readonly unread: string };

/** Those of the hubs that have to do with what is asked about. */
export type Readings = ReadonlyMap<HubKey, Reading>;

/** Reads the registries of hubs. */
export type ReadRegistries = (hubs: readonly KnownHub[], objects: Objects) => Promise<Readings>;

/** The first listing of 20,000 services takes less. */
const limitMs: Ms = 60_000;
/** A person asks about one host; that this concerns more registries is a name that is too general. */
const readAtMost = 8;

/** Reads each once, with the rights of whoever runs the command, and the hub's Secret as far as he may read it. */
export function registryReader({ client }: Pick<Access, "client">, deps: RegistryDeps): ReadRegistries {
  const reading = async ({ hub, report }: KnownHub, { entries }: Objects): Promise<Reading> => {
    if (hub === undefined) return { unread: report.trouble?.cause ?? "the hub cannot be read" };
    const late = new AbortController();
    const inTime = deps.clock.after(limitMs, () => late.abort());
    try {
      const { signal } = late;
      const credentials = hub.secretName === undefined ? {} : await credentialsOf(client, hub, signal);
      return await readOnce(hub, credentials, () => entries.servicesOf(hub), deps, signal);
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      return { unread: whyUnread(error, hub) };
    } finally {
      inTime();
    }
  };
  return async (hubs, objects) => {
    const read = hubs
      .slice(0, readAtMost)
      .map(async (known) => [known.key, await reading(known, objects)] as const);
    const rest = hubs.slice(readAtMost).map(({ key }) => [key, { unread: tooMany(hubs.length) }] as const);
    return new Map([...(await Promise.all(read)), ...rest]);
  };
}

function whyUnread({ code, detail, nextStep, cause }: RegistryError, { key, registry }: Hub): string {
  const isRefused = cause instanceof KubeError && cause.reason === "Forbidden";
  const next = isRefused
    ? "Ask for that right, or give `preview` a file with the hub and its Secret."
    : nextStep;
  const what = isRefused ? `the Secret of RegistryHub ${key}` : `${registry.address}, from here`;
  return `${what}: ${code}: ${detail}. ${next}`;
}

const tooMany = (count: number): string =>
  `${counted(count, "hub")} may have it, and no more than ${readAtMost} registries are read; name its host, or a namespace with -n`;
