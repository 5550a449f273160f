import type { Entry, EntryEndpoint } from "../../model/entry.ts";
import type { HubKey } from "../../model/hub.ts";
import { counted, sentence } from "../output.ts";
import { endOfHold, heldWhat, type Trouble, waitForOperator } from "../status/hub-report.ts";
import type { KnownHub } from "./asked.ts";
import type { Finding } from "./finding.ts";
import { addresses, lists, type RegistrySays } from "./registry-says.ts";

/** Why an endpoint stays that its registry does not list. */
interface Kept extends Trouble {
  /** In few words, beside the endpoint. */
  readonly state: string;
}

/** How believed an endpoint is after its registries were read; undefined = one of them was not, and might list it. */
export function stateNow(
  endpoint: EntryEndpoint,
  keys: readonly HubKey[],
  hubs: readonly KnownHub[],
  says: readonly RegistrySays[],
): string | undefined {
  const said = keys.map((key) => says.find((one) => one.hub === key && one.unread === ""));
  if (said.some((one) => one !== undefined && lists(one, endpoint))) return "listed";
  if (said.includes(undefined)) return undefined;
  const [kept] = said.flatMap((one) => {
    const known = hubs.find(({ key }) => key === one?.hub);
    return known && one ? [whyKept(known, one, endpoint)] : [];
  });
  return kept?.state;
}

/** What the entry has and its registries do not list, and the reverse. */
export function differenceFindings(
  { endpoints, hubs: named }: Entry,
  hubs: readonly KnownHub[],
  says: readonly RegistrySays[],
): readonly Finding[] {
  const read = says.filter(({ unread }) => unread === "");
  const isRead = (id: string): boolean => read.some(({ hub }) => hub === named.get(id));
  return hubs.flatMap((known): readonly Finding[] => {
    const { key, hub, identity } = known;
    const said = read.find((one) => one.hub === key);
    if (said === undefined || hub === undefined) return [];
    const isBehind = named.get(identity.id) === key;
    const [first, ...more] = [...endpoints.values()].filter(
      (one) =>
        one.by.has(identity.id) && [...one.by].every(isRead) && !read.some((other) => lists(other, one)),
    );
    const missing = said.instances.filter(
      ({ address, leftOut }) => leftOut === "" && !endpoints.has(address),
    );
    const mayWrite = !hub.suspend && hub.policy !== "observe";
    return [
      ...(first ? [unlistedFinding([first, ...more], known, said)] : []),
      ...(missing.length > 0 && (isBehind || mayWrite) ? [missingFinding(missing, known)] : []),
    ];
  });
}

function unlistedFinding(
  [first, ...more]: readonly [EntryEndpoint, ...EntryEndpoint[]],
  known: KnownHub,
  said: RegistrySays,
): Finding {
  const { cause, fix } = whyKept(known, said, first);
  const which = addresses([first, ...more].map(({ hostPort }) => ({ address: hostPort })));
  const reason = whyLeftOut(said, first);
  const [what, how] =
    reason === undefined
      ? [
          "the registry does not list",
          `the registry of RegistryHub ${known.key}, read now, does not list ${which}`,
        ]
      : ["the hub leaves out", `RegistryHub ${known.key} leaves out ${which} (${reason})`];
  return {
    effect: `has ${counted(more.length + 1, "endpoint")} that ${what}`,
    cause: `${how}; ${cause}`,
    fix,
  };
}

/** Why the hub does not want what the registry may well list; undefined = the registry does not list it. */
function whyLeftOut(
  { isExcluded, instances }: RegistrySays,
  { hostPort }: EntryEndpoint,
): string | undefined {
  return isExcluded
    ? "spec.services leaves the service out"
    : instances.find(({ address }) => address === hostPort)?.leftOut;
}

function missingFinding(missing: RegistrySays["instances"], known: KnownHub): Finding {
  const { cause, fix } = whyUnwritten(known);
  return {
    effect: `lacks ${counted(missing.length, "instance")} that the registry lists`,
    cause: `the registry of RegistryHub ${known.key}, read now, lists ${addresses(missing)}; ${cause}`,
    fix,
  };
}

const late: Trouble = {
  cause: "the operator has not followed yet",
  fix: waitForOperator,
};

function whyKept(known: KnownHub, said: RegistrySays, endpoint: EntryEndpoint): Kept {
  const { report, hub } = known;
  const unlisted = whyLeftOut(said, endpoint) === undefined ? "not listed" : "left out";
  const stopped = whyStopped(known);
  if (stopped) return { ...stopped, state: `${unlisted}, kept: ${stopped.state}` };
  if (said.isUnknown) {
    const cause = "not all that it has of the service can be read, so it stays";
    const fix = "See the problem Unreadable of the hub: registryhub status.";
    return { state: `${unlisted}, kept: not all can be read`, cause, fix };
  }
  if (hub?.policy === "upsert-only") {
    const cause = "spec.policy: upsert-only keeps it";
    return { state: `${unlisted}, kept: upsert-only`, cause, fix: "Set spec.policy: sync in the hub." };
  }
  const { held } = report;
  // The brake holds hosts that have lost every instance.
  const isBraked = held?.reason !== "Shrunk" || said.instances.every(({ leftOut }) => leftOut !== "");
  if (held === undefined || !isBraked) return { state: `${unlisted}, about to go`, ...late };
  return {
    state: `${unlisted}, kept: hold until ${held.until} (${held.reason})`,
    cause: `the hub holds removals (${held.reason}): ${heldWhat(held)}`,
    fix: sentence(endOfHold(held)),
  };
}

const whyUnwritten = (known: KnownHub): Trouble => whyStopped(known) ?? late;

/** A hub that the operator does not follow now. */
function whyStopped({ report, hub }: KnownHub): Kept | undefined {
  const { trouble, reason } = report;
  if (trouble) {
    const cause = `the hub is not Ready (${reason || "no status"}): ${trouble.cause}`;
    return { state: reason || "no status", cause, fix: trouble.fix };
  }
  if (hub?.suspend)
    return { state: "Suspended", cause: "the hub is suspended", fix: "Set spec.suspend: false in it." };
  if (hub?.policy !== "observe") return undefined;
  return { state: "observe", cause: "the hub only observes", fix: "Set spec.policy: sync in it." };
}
