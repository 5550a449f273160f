import type { Trouble } from "../status/hub-report.ts";

/** Something that callers of a host feel, or may. The worst comes first. */
export interface Finding extends Trouble {
  /** What it means for calls, as the end of "<host> …". */
  readonly effect: string;
}

/** The three lines in which most people stop reading. */
export function findingLines(subject: string, { effect, cause, fix }: Finding): readonly string[] {
  return [`${subject} ${effect}`, `cause: ${cause}`, `fix:   ${fix}`];
}

/** One sentence. */
export function sentenceOf(subject: string, { effect, cause }: Finding): string {
  return `${subject} ${effect}: ${cause.replace(/\.$/, "")}.`;
}
