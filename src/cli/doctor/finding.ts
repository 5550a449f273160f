import type { Trouble } from "../status/hub-report.ts";

/** Something that is wrong with the cluster around the operator. The cause is what was seen, by the names of the objects. */
export interface Finding extends Trouble {
  /** One sentence without its full stop. */
  readonly wrong: string;
  /**
   * caution = it is wrong only if the named pods call hosts of hubs, which nobody can tell from the API server. It does not
   * count for the exit code.
   */
  readonly severity: "fault" | "caution";
  /** The answer of the manual that is about it: "4.3". */
  readonly faq?: string;
}

/** What a check found; undefined = what it needs was not seen, and it concludes nothing. */
export type Findings = readonly Finding[] | undefined;

export const fault = (wrong: string, cause: string, fix: string, faq?: string): Finding => ({
  severity: "fault",
  wrong,
  cause,
  fix,
  ...(faq !== undefined && { faq }),
});

export const caution = (...[wrong, cause, fix, faq]: Parameters<typeof fault>): Finding => ({
  ...fault(wrong, cause, fix, faq),
  severity: "caution",
});

/** How many names a sentence has. */
const namedAtMost = 3;

/** "a, b, c and 4 more". */
export function named(all: Iterable<string>): string {
  const names = [...new Set(all)];
  const more = names.length - namedAtMost;
  return `${names.slice(0, namedAtMost).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}
