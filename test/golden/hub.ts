import type { ClusterCopy } from "../../src/cli/cluster-copy.ts";
import { claimingHub } from "../../src/cli/generate.ts";
import type { ClaimingHub } from "../../src/controllers/hub/host-worker.ts";
import { ListingIndex } from "../../src/controllers/hub/listing-index.ts";
import type { HostKey } from "../../src/model/entry.ts";
import { wants } from "../../src/model/hub.ts";
import type { Problem } from "../../src/model/problems.ts";
import type { RegistryHub } from "../../src/model/registryhub.ts";
import type { Service, Snapshot } from "../../src/model/service.ts";
import { hubIn, trusted } from "../support/model.ts";
import { read } from "./readers.ts";

/** A hub in `01-registry.yaml`. */
export interface HubMoment {
  readonly hub: Pick<RegistryHub, "metadata" | "spec">;
  /** false = an outage or settling: nothing follows from what is not listed. */
  readonly vouches: boolean;
  /** What the registry holds, as readers.ts has it. Without this and `services` it has not been listed yet. */
  readonly registry?: unknown;
  /** What a reader would hand over, made by hand. */
  readonly services?: readonly Service[];
}

/** What planning a host found out about one hub. */
interface Finding {
  readonly withheld: number;
  readonly problems: readonly Problem[];
}

/** A hub for one step of a story, and what came of it. */
export interface StoryHub {
  readonly claiming: ClaimingHub;
  readonly snapshot: Snapshot;
  readonly listings: ListingIndex;
  /** By host; filled by the host worker. */
  readonly findings: ReadonlyMap<HostKey, Finding>;
}

/** Reads the hub's registry as the operator would. */
export async function openHub(moment: HubMoment, { entries }: ClusterCopy): Promise<StoryHub> {
  const { hub: object, vouches, registry, services } = moment;
  const hub = hubIn(object);
  const config = {
    registry: hub.registry,
    credentials: {},
    wants: (name: string) => wants(hub.filter, name),
    known: () => entries.servicesOf(hub),
  };
  const byHand = { services: new Map((services ?? []).map((one) => [one.id, one])), problems: [] };
  const snapshot = registry === undefined ? byHand : await read(registry, config);
  const listings = new ListingIndex();
  listings.update(snapshot.services, hub);
  const findings = new Map<HostKey, Finding>();
  const trust = { ...trusted, isSynced: vouches };
  const claiming = claimingHub(hub, listings, trust, ledgerOf(findings));
  return {
    claiming,
    snapshot,
    listings,
    findings,
  };
}

/** Keeps what was found out last about each host. */
function ledgerOf(findings: Map<HostKey, Finding>): ClaimingHub["ledger"] {
  return {
    recordPlan(host, withheld, problems) {
      if (withheld > 0 || problems.length > 0) findings.set(host, { withheld, problems });
      else findings.delete(host);
    },
    recordDryRun: () => false,
    markPaced: () => undefined,
    markApplied: () => undefined,
    markRejected: () => undefined,
    markFailed(host, failure) {
      throw new Error(`${host} cannot be written: ${failure.detail}`);
    },
  };
}
