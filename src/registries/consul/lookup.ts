import { RegistryError } from "../../model/errors.ts";
import { allServices, type ConsulApi, healthOf, type IndexedAnswer, isAskable } from "./api.ts";
import { type Health, isAbout, type Selection } from "./decode.ts";

/** The answer about one service, or why there is none. @throws RegistryError only for what concerns all services. */
export type Lookup = (service: string) => Promise<IndexedAnswer<Health> | string>;

/** Whoever refuses one service, or breaks the connection, may do so with everything: the catalog tells. */
export function createLookup(api: ConsulApi, selection: Selection): Lookup {
  let check: Promise<unknown> | undefined;
  const assertOthersAnswer = async (): Promise<void> => {
    check ??= api.ask(allServices).finally(() => {
      check = undefined;
    });
    await check;
  };
  return async (service) => {
    if (!isAskable(service)) return "no URL can hold this name";
    try {
      const answer = await api.ask(healthOf(service, selection));
      return isAbout(service, answer.body) ? answer : "the answer is about another service";
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      await assertOthersAnswer();
      return error.detail;
    }
  };
}
