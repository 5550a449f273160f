import type { Ms } from "../../model/entry.ts";
import type { HubKey } from "../../model/hub.ts";
import { withoutSecrets } from "../../model/problems.ts";
import { rfc3339 } from "../../model/time.ts";
import type { Steps } from "../../runtime/slices.ts";
import { endOfHold, type HubReport, hubKeyOf, hubReport, isFine } from "../status/hub-report.ts";
import type { Knowledge } from "./knowledge.ts";

/** A hub among others. */
export interface HubRow extends Omit<HubReport, "problems"> {
  /** "<namespace>/<name>". */
  readonly key: string;
  readonly isFine: boolean;
  /** How the hold ends, in words; "" = nothing is held. */
  readonly endOfHold: string;
  readonly problemCount: number;
}

/** The hub that is looked at. */
export interface HubOnPage extends HubRow, Pick<HubReport, "problems"> {}

/** What GET /api/hubs answers. */
export interface HubsAnswer {
  /** RFC 3339. */
  readonly at: string;
  /** Of the process, as its Lease names it. */
  readonly identity: string;
  /** How many there are. */
  readonly total: number;
  /** How many of them somebody has to look at. */
  readonly bad: number;
  /** The first 500: those that somebody has to look at, then the others, by key. */
  readonly hubs: readonly HubRow[];
  /** The one that was asked for; absent = it does not exist. */
  readonly hub?: HubOnPage;
}

const mostHubs = 500;

/**
 * The hubs, and what their statuses say.
 * @param asked the key of the one that is looked at, or "".
 */
export function* hubsAnswer(
  { hubs }: Pick<Knowledge, "hubs">,
  asked: HubKey,
  identity: string,
  now: Ms,
): Steps<HubsAnswer> {
  const rows: Record<"bad" | "fine", HubRow[]> = { bad: [], fine: [] };
  let hub: HubOnPage | undefined;
  for (const object of Array.from(hubs.values())) {
    const { problems, ...report } = hubReport(object);
    const row: HubRow = {
      ...report,
      address: withoutSecrets(report.address),
      key: hubKeyOf(report),
      isFine: isFine(report),
      endOfHold: report.held ? endOfHold(report.held) : "",
      problemCount: Math.max(problems.length, report.rejected),
    };
    rows[row.isFine ? "fine" : "bad"].push(row);
    if (row.key === asked) hub = { ...row, problems };
    yield;
  }
  const sorted = [rows.bad, rows.fine].flatMap((some) => some.sort((a, b) => (a.key < b.key ? -1 : 1)));
  return {
    at: rfc3339(now),
    identity,
    total: sorted.length,
    bad: rows.bad.length,
    hubs: sorted.slice(0, mostHubs),
    ...(hub && { hub }),
  };
}
