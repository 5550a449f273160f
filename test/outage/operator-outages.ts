import { emptiesAt, REACT_MS, recovers, says } from "./expectations.ts";
import type { Row } from "./outages.ts";
import { SHRINK_HOLD_MS, type Stage } from "./stage.ts";

/** The operator itself ends, and starts in a world that is not whole. */
export function operatorOutages(row: Row): void {
  row(
    "the operator is restarted while its registry is dead",
    async (stage) => {
      await stage.registry.kill();
      await stage.killOperator();
      await stage.startOperator();
      await says(stage, { phase: "failed", ready: "RegistryUnreachable" });
      await stage.registry.start();
      await recovers(stage);
    },
    { ownServer: true, everyVersion: true },
  );

  row(
    "the operator and its registry are restarted at the same time",
    async (stage) => {
      await Promise.all([stage.registry.kill(), stage.killOperator()]);
      await Promise.all([stage.registry.start(), stage.startOperator()]);
      await recovers(stage);
    },
    { ownServer: true },
  );

  row(
    "the operator is killed in the middle of a hold: it goes on with the time that was left",
    async (stage) => {
      const { all, left, until } = await pullTheBrake(stage);
      await stage.killOperator();
      await stage.startOperator();
      await emptiesAt(stage, all, left, endOf(left, Math.max(until, Date.now() + stage.settleMs)));
    },
  );

  row("the operator is away until just before a hold ends: no other one begins", async (stage) => {
    const { all, left, until } = await pullTheBrake(stage);
    await stage.killOperator();
    await stage.lasts(until - Date.now() - 3_000); // when the hold ends it has not settled yet
    await stage.startOperator();
    await emptiesAt(stage, all, left, endOf(left, Math.max(until, Date.now() + stage.settleMs)));
  });
}

const endOf = (left: number, to: number) => ({ from: left + SHRINK_HOLD_MS, to });

/** Ends all providers at once. Returns when they left, and until when their last instances are held. */
async function pullTheBrake(stage: Stage) {
  const all = stage.living;
  const left = await stage.leave(all);
  await says(stage, { held: "Shrunk" }, stage.settleMs + REACT_MS);
  return { all, left, until: Date.parse(stage.hold.until) };
}
