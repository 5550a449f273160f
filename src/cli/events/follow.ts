import { KubeError } from "../../kube/errors.ts";
import type { Change, Changes } from "../../model/change.ts";
import { pause } from "../../runtime/clock.ts";
import type { Clock } from "../../runtime/deps.ts";
import type { EventsSeen } from "./cluster-events.ts";
import type { Standing } from "./leader.ts";
import type { AskForChanges } from "./ring.ts";
import type { Told } from "./told.ts";

const ringMs = 1_000;
/** Every look at Events is a list. */
const eventsMs = 3_000;

/** What it takes to follow. */
export interface Following {
  readonly clock: Pick<Clock, "sleep">;
  /** Ends it. */
  readonly signal: AbortSignal;
  /** A word for the person. */
  say(line: string): void;
}

/** The changes of an operator, and how to get at them and to judge who answers. */
export interface Ring {
  readonly first: Changes;
  readonly ask: AskForChanges;
  judge(changes: Changes): Promise<Standing>;
}

/**
 * Gives to `print` what comes after the first changes, until the signal aborts. It waits for an operator that is gone, and goes
 * on with the next leader.
 */
export async function followRing(
  { first, ask, judge }: Ring,
  print: (changes: readonly Change[]) => void,
  following: Following,
): Promise<void> {
  const { clock, signal, say } = following;
  const sayNews = newsOnly(following);
  let { identity, last } = first;
  while (!signal.aborted) {
    await pause(clock, ringMs, signal);
    const answer = await ask(last, signal);
    if (typeof answer === "string") {
      sayNews(`${answer}; waiting for one (a port-forward to a pod that is gone has to be started again)`);
    } else if (answer.identity !== identity) {
      const { isBelieved, note } = await judge(answer);
      sayNews(note);
      if (!isBelieved) continue;
      say(`another operator leads now: ${answer.identity}`);
      identity = answer.identity;
      last = 0; // it counts anew, and its first changes are those since it leads
    } else {
      sayNews("");
      if (answer.forgotten > last && last > 0)
        say(`${answer.forgotten - last} changes came and went before they were asked for`);
      last = answer.last;
      if (answer.changes.length > 0) print(answer.changes);
    }
  }
}

/** Gives to `print` the Events that come after those that were seen, until the signal aborts. */
export async function followEvents(
  first: readonly Told[],
  read: () => Promise<EventsSeen>,
  print: (told: readonly Told[]) => void,
  following: Following,
): Promise<void> {
  const { clock, signal } = following;
  const sayNews = newsOnly(following);
  let seen = new Set(first.map(textOf));
  for (;;) {
    await pause(clock, eventsMs, signal);
    if (signal.aborted) return;
    try {
      const { told } = await read();
      sayNews("");
      const news = told.filter((one) => !seen.has(textOf(one)));
      if (news.length > 0) print(news);
      seen = new Set(told.map(textOf));
    } catch (error) {
      if (!(error instanceof KubeError)) throw error;
      sayNews(`the Events cannot be read: ${error.message}; trying again`);
    }
  }
}

/** Says a line once for as long as it stays true; "" = all is well. */
function newsOnly({ say, signal }: Following): (line: string) => void {
  let said = "";
  return (line) => {
    if (line !== "" && line !== said && !signal.aborted) say(line);
    said = line;
  };
}

const textOf = (told: Told): string => JSON.stringify(told);
