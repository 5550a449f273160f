import { RE2JS } from "re2js";

/** What Envoy takes by itself. Istio raises it to 32,768, so there is room where this library counts less than Envoy's. */
const maxProgramSize = 100;
/** Beyond it hardly any program is small enough, and what is not read costs no time. */
const maxLength = 300;

/** To compile takes most of the time of a look at a service with rules, and looks ask the same again and again. */
const known = new Map<string, string | undefined>();
const maxKnown = 1_000;

/**
 * What is wrong with a regular expression for Envoy, whose syntax is RE2's; undefined = nothing. Envoy refuses a listener whole
 * for one that it cannot compile. Source: envoy source/common/common/regex.cc; istio pkg/bootstrap/config.go.
 */
export function regexProblem(regex: string): string | undefined {
  if (known.has(regex)) return known.get(regex);
  const problem = problemOf(regex);
  if (known.size >= maxKnown) known.clear();
  known.set(regex, problem);
  return problem;
}

function problemOf(regex: string): string | undefined {
  if (regex === "") return "is empty";
  if (regex.length > maxLength) return `is longer than ${maxLength} characters`;
  // Envoy compares bytes, so that such a class is hundreds of instructions, which are one here; and it knows fewer of them.
  if (/\\p/i.test(regex)) return "has a class of Unicode (\\p)";
  try {
    const size = RE2JS.compile(regex).programSize();
    return size <= maxProgramSize
      ? undefined
      : `is a program of ${size} instructions, and ${maxProgramSize} are allowed`;
  } catch (error) {
    return `is no regular expression of RE2: ${(error as Error).message}`;
  }
}
