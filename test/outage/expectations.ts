import { expect } from "vitest";
import type { ConditionType } from "../../src/model/reasons.ts";
import type { Phase } from "../../src/model/registryhub.ts";
import { eventually } from "../support/eventually.ts";
import type { Provider } from "./registry.ts";
import type { Stage } from "./stage.ts";

/** Within this long what is listed, or believed to be gone, has reached the cluster. */
export const REACT_MS = 20_000;
/** Counts in the status may be 10 s late, and connections are tried again after several seconds. */
const CONVERGE_MS = 80_000;
/** status.hold has whole seconds. */
const ROUNDED_MS = 1_000;
const QUIET_MS = 2_000;
const QUIET_WITHIN_MS = 15_000;

/** What the status has to say: its phase, and the reasons of two conditions. What is absent may be anything. */
interface Saying {
  readonly phase?: Phase;
  /** Of Ready, which repeats that of RegistrySynced or Applied. */
  readonly ready?: string;
  /** Of DeletionHeld. */
  readonly held?: string;
}

/** The status says this soon. */
export async function says(stage: Stage, saying: Saying, deadlineMs = stage.registry.tellMs): Promise<void> {
  await eventually(() => {
    const said = {
      phase: stage.status.phase,
      ready: reason(stage, "Ready"),
      held: reason(stage, "DeletionHeld"),
    };
    expect(said).toMatchObject(saying);
  }, deadlineMs);
}

/** The cluster and the status are what the registry has: entries, endpoints, filters, success, nothing held. */
async function converges(stage: Stage): Promise<void> {
  await eventually(() => {
    const { truth, cluster, filtered, living, status } = stage;
    expect(cluster).toEqual(truth);
    expect(filtered).toEqual(new Set(stage.registry.speaksDubbo ? truth.keys() : []));
    expect(status).toMatchObject({ phase: "success", services: truth.size, endpoints: living.length });
    expect([reason(stage, "Ready"), reason(stage, "DeletionHeld")]).toEqual(["Ready", "NothingHeld"]);
  }, CONVERGE_MS);
}

/** The operator has nothing more to write: a whole while passes without one request. */
async function isQuiet(stage: Stage): Promise<void> {
  const isIdle = async () => expect(await stage.writes(new Date(Date.now() - QUIET_MS))).toEqual([]);
  await eventually(isIdle, QUIET_WITHIN_MS, 500);
}

/** Settling is over, and nothing is held: that one instance ends is believed, as long as it is not the last one. */
export async function accepts(stage: Stage): Promise<void> {
  const [service = ""] = stage.services;
  const [one, other] = stage.of(service);
  if (one === undefined || other === undefined) throw new Error(`${service} has not two instances`);
  const left = await stage.leave([one]);
  await stage.removed(one, left, stage.settleMs + REACT_MS);
}

/** Success again by itself; and the time is over in which nothing would be believed gone. */
export async function recovers(stage: Stage): Promise<void> {
  await says(stage, { phase: "success", ready: "Ready" }, 2 * stage.registry.tellMs);
  await accepts(stage);
}

/** Each of these services, whose instances left at `left`, lost its last one when a hold was over, but for some. */
export async function emptiesAt(
  stage: Stage,
  gone: readonly Provider[],
  left: number,
  hold: {
    /** Not before; status.hold.until, or the end of a service's own hold. */
    readonly from: number;
    /** Not much later: the last end of a hold, or of settling. */
    readonly to: number;
    /** So many services may lose it earlier. Default: none. */
    readonly early?: number;
  },
): Promise<void> {
  let early = 0;
  for (const instances of Map.groupBy(gone, ({ service }) => service).values()) {
    const removed = await Promise.all(instances.map((one) => stage.removed(one, left, CONVERGE_MS)));
    if (Math.max(...removed) < hold.from - ROUNDED_MS) early++;
    expect(Math.max(...removed)).toBeLessThan(hold.to + REACT_MS);
  }
  expect(early).toBeLessThanOrEqual(hold.early ?? 0);
}

/** How each story has to end: healed without a restart that it did not ask for, and without ever losing what lived. */
export async function endsWell(stage: Stage): Promise<void> {
  await converges(stage);
  await isQuiet(stage);
  expect(await stage.losses()).toEqual([]);
  const { told, logged } = stage.starts;
  expect(logged).toEqual([told, told]);
}

function reason({ status }: Stage, type: ConditionType): string | undefined {
  return status.conditions.find((one) => one.type === type)?.reason;
}
