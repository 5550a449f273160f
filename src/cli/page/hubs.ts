import type { Ms } from "../../model/entry.ts";
import { withoutSecrets } from "../../model/problems.ts";
import { rfc3339 } from "../../model/time.ts";
import type { Steps } from "../../runtime/slices.ts";
import { endOfHold, type HubReport, hubKeyOf, hubReport, isFine } from "../status/hub-report.ts";
import type { Knowledge } from "./knowledge.ts";

/** A hub as the page shows it. */
export interface HubOnPage extends HubReport {
  /** "<namespace>/<name>". */
  readonly key: string;
  readonly isFine: boolean;
  /** How the hold ends, in words; "" = nothing is held. */
  readonly endOfHold: string;
}

/** What GET /api/hubs answers. */
export interface HubsAnswer {
  /** RFC 3339. */
  readonly at: string;
  /** Of the process, as its Lease names it. */
  readonly identity: string;
  /** Those that somebody has to look at first, then by key. */
  readonly hubs: readonly HubOnPage[];
}

/** Every hub, and what its status says. */
export function* hubsAnswer({ hubs }: Knowledge, identity: string, now: Ms): Steps<HubsAnswer> {
  const shown: HubOnPage[] = [];
  for (const object of Array.from(hubs.values())) {
    const report = hubReport(object);
    const address = withoutSecrets(report.address);
    const end = report.held ? endOfHold(report.held) : "";
    shown.push({ ...report, address, key: hubKeyOf(report), isFine: isFine(report), endOfHold: end });
    yield;
  }
  const placeOf = ({ isFine: fine, key }: HubOnPage): string => `${fine ? 1 : 0} ${key}`;
  return {
    at: rfc3339(now),
    identity,
    hubs: shown.sort((one, other) => (placeOf(one) < placeOf(other) ? -1 : 1)),
  };
}
