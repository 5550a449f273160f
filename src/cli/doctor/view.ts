import { field } from "../output.ts";
import type { Diagnosis } from "./checks.ts";
import type { Finding } from "./finding.ts";

/** Findings of three lines each, then what was looked at, then the answer. */
export function diagnosisLines({ findings, fine, notMade, unseen, answer }: Diagnosis): readonly string[] {
  const of = (severity: Finding["severity"]) => findings.filter((one) => one.severity === severity);
  const cautions = of("caution");
  return [
    ...of("fault").flatMap((one) => [...findingLines(one), ""]),
    ...(cautions.length === 0 ? [] : ["if these pods call hosts of hubs:", ""]),
    ...cautions.flatMap((one) => [...findingLines(one), ""]),
    field("fine", fine.join(", ") || "nothing"),
    ...(notMade.length === 0 ? [] : [field("not checked", notMade.join(", "))]),
    ...unseenLines(unseen),
    "",
    answer,
  ];
}

/** What is wrong, what was seen of it, and what to do. */
export function findingLines({ wrong, cause, fix, faq }: Finding): readonly string[] {
  return [`${wrong}${faq === undefined ? "" : ` (FAQ ${faq})`}`, `cause: ${cause}`, `fix:   ${fix}`];
}

/** What there was no right to see. */
export const unseenLines = (unseen: readonly string[]): readonly string[] =>
  unseen.length === 0 ? [] : ["  not seen", ...unseen.map((one) => `    ${one}`)];
