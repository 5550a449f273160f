import { objectKey } from "../../kube/resources.ts";
import { vipPool } from "../../plan/vip.ts";
import { filterFactsOf, rulesSlot } from "../../translate/read-back/envoy-filter.ts";
import { lacksFilter } from "../explain/filters.ts";
import { targetsOf } from "../explain/hubs.ts";
import { sentence } from "../output.ts";
import { endOfHold, heldWhat, hubKeyOf } from "../status/hub-report.ts";
import { type Findings, fault, named } from "./finding.ts";
import { isWhole, type Sight } from "./sight.ts";

/** Hubs that are not Ready, or hold removals; `status` says more. Settling ends by itself. */
export function hubFindings({ hubs }: Sight): Findings {
  return hubs.flatMap(({ report }) => {
    const { trouble, held, reason } = report;
    const name = `RegistryHub ${hubKeyOf(report)}`;
    if (trouble)
      return [fault(`${name} is not Ready: ${reason || "no status"}`, trouble.cause, trouble.fix, "4.4")];
    if (held === undefined || held.reason === "Settling" || held.isReleased) return [];
    return [
      fault(
        `${name} holds removals: ${held.reason}`,
        `${heldWhat(held)} since ${held.since}`,
        sentence(endOfHold(held)),
      ),
    ];
  });
}

/** Dubbo services that are served as plain TCP. One finding per cause: a stopped controller concerns all. */
export function filterFindings({ objects, hubs, settings, unseen }: Sight): Findings {
  const { entries, envoyFilters, serviceEntries } = objects;
  if (envoyFilters === undefined || !isWhole({ unseen }, "envoyfilters")) return undefined;
  const context = {
    entries,
    objects: serviceEntries,
    pool: vipPool(settings.vipCidr),
    targetOf: targetsOf(hubs),
    dubboPorts: settings.dubboPorts,
    rootNamespace: settings.rootNamespace,
  };
  const served = new Set(
    envoyFilters.flatMap((one) => {
      const { isOurs, slot, serviceEntry } = filterFactsOf(one);
      const isOfCalls = slot !== rulesSlot && !slot?.startsWith("inbound");
      return isOurs && isOfCalls && serviceEntry !== undefined ? [serviceEntry] : [];
    }),
  );
  const without = [...entries.hosts()].sort().flatMap((host) => {
    const found = entries.hostObject(host);
    if (found === undefined || served.has(objectKey(found.object))) return [];
    const trouble = lacksFilter(found, [], objects, context);
    return trouble === undefined ? [] : [{ host: host.slice(host.indexOf("/") + 1), ...trouble }];
  });
  const groups = Map.groupBy(without, ({ fix, cause }) => `${fix} ${cause.replace(/ServiceEntry \S+/, "")}`);
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const hosts = named(group.map(({ host }) => host));
    return [
      fault(
        `${hosts}: each connection sticks to one provider, because there is no EnvoyFilter`,
        first.cause,
        first.fix,
        "4.6",
      ),
    ];
  });
}
