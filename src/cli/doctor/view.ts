import { field } from "../output.ts";
import type { Diagnosis } from "./checks.ts";
import type { Finding } from "./finding.ts";
import type { PodReport } from "./pod.ts";

/** More of one check are left to `-o wide`. */
const shownAtMost = 5;

/** Findings of three lines each, then what was looked at, then the answer. */
export function diagnosisLines(
  { findings, fine, unknown, unseen, answer }: Diagnosis,
  isWide: boolean,
): readonly string[] {
  const of = (severity: Finding["severity"]) => findings.filter((one) => one.severity === severity);
  const cautions = of("caution");
  return [
    ...sectionLines(of("fault"), isWide),
    ...(cautions.length === 0 ? [] : ["if these pods call hosts of hubs:", ""]),
    ...sectionLines(cautions, isWide),
    field("fine", fine.join(", ") || "nothing"),
    ...(unknown.length === 0 ? [] : [field("not known", unknown.join(", "))]),
    ...unseenLines(unseen),
    "",
    answer,
  ];
}

function sectionLines(findings: Diagnosis["findings"], isWide: boolean): readonly string[] {
  return [...Map.groupBy(findings, ({ check }) => check)].flatMap(([check, all]) => {
    const shown = isWide ? all : all.slice(0, shownAtMost);
    const more = all.length - shown.length;
    return [
      ...shown.flatMap((one) => [...findingLines(one), ""]),
      ...(more > 0 ? [`and ${more} more of the check ${check}: -o wide`, ""] : []),
    ];
  });
}

/** The same of one pod. */
export function podLines({ pod, findings, facts, unseen, answer }: PodReport): readonly string[] {
  return [
    ...(findings.length === 0 ? [`Pod ${pod}: nothing is in its way`, ""] : []),
    ...findings.flatMap((one) => [...findingLines(one), ""]),
    ...Object.entries(facts).map(([name, text]) => field(name, text)),
    ...unseenLines(unseen),
    "",
    answer,
  ];
}

/** What is wrong, what was seen of it, and what to do. */
function findingLines({ wrong, cause, fix, faq }: Finding): readonly string[] {
  return [`${wrong}${faq === undefined ? "" : ` (FAQ ${faq})`}`, `cause: ${cause}`, `fix:   ${fix}`];
}

/** What there was no right to see. */
const unseenLines = (unseen: readonly string[]): readonly string[] =>
  unseen.length === 0 ? [] : ["  not seen", ...unseen.map((one) => `    ${one}`)];
