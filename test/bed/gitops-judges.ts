import { readFileSync } from "node:fs";
import { type GoModule, goPrograms } from "./go-programs.ts";

const folder = new URL("gitops/", import.meta.url);

/** Programs that judge an object on stdin as a GitOps tool does; their sources say what they take and print. */
export const judges = ["argo-health", "flux-health"] as const;
export type Judge = (typeof judges)[number];

const MODULE: GoModule<Judge> = {
  name: "gitops",
  folder,
  packages: { "argo-health": "./argo-health", "flux-health": "./flux-health" },
  title: (judge) => judge,
  key: judges.map((judge) => readFileSync(new URL(`${judge}/main.go`, folder), "utf8")),
};

/** Paths of the judges, built from their Go modules the first time (a minute). */
export function gitOpsJudges(): Promise<Record<Judge, string>> {
  return goPrograms(MODULE, judges);
}
