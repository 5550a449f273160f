/** @import { HubsAnswer } from "../cli/page/hubs.ts" */
/** @import { ServicesAnswer } from "../cli/page/services.ts" */
/** @import { ServiceAnswer } from "../cli/page/service.ts" */
/** @import { Changes } from "../model/change.ts" */

const timeoutMs = 10_000;

/** @param {Readonly<Record<string, string>>} asked @returns {Promise<HubsAnswer>} */
export const askHubs = ({ hub = "" }) => ask("api/hubs", { hub });

/** @param {Readonly<Record<string, string>>} asked @returns {Promise<ServicesAnswer>} */
export const askServices = ({ hub = "", search = "", state = "" }) =>
  ask("api/services", { hub, search, state });

/** @param {string} host @returns {Promise<ServiceAnswer | null>} null = it does not exist. */
export const askService = (host) => ask("api/service", { host });

/** @param {number} after @returns {Promise<Changes>} */
export const askChanges = (after) => ask("changes", { after: String(after) });

/**
 * Asks the operator. @throws when it does not answer.
 * @param {string} path
 * @param {Readonly<Record<string, string>>} query
 */
async function ask(path, query) {
  const response = await fetch(`${path}?${new URLSearchParams(query)}`, {
    signal: AbortSignal.timeout(timeoutMs),
  });
  if (!response.ok) throw new Error(`the operator answers ${response.status}: ${await response.text()}`);
  return response.json();
}
