import { expect } from "vitest";
import { eventually } from "../support/eventually.ts";
import { emptiesAt, REACT_MS, says } from "./expectations.ts";
import type { Row } from "./outages.ts";
import type { Provider } from "./registry.ts";
import type { Stage } from "./stage.ts";

/** The counts of a hold are written at most once in 10 s. */
const COUNTED_MS = 25_000;
const reset = { phase: "success", held: "RegistryReset" } as const;

/** The registry comes back without its data: its living providers are not listed, and some are not alive any more. */
export function dataLosses(row: Row): void {
  row(
    "emptied, then refilled by its providers: held until 80 % are listed",
    async (stage) => {
      const { services } = stage;
      const buried = services.slice(0, 6).flatMap((service) => stage.of(service).slice(0, 1));
      const since = await loseData(stage, buried);
      expect(stage.hold.endpoints).toBe(61);

      await stage.realProvider.restart();
      await stage.registry.refill(services.slice(0, 22)); // 22 * 2 - 6 + 1 of 61 = 64 %
      await eventually(() => expect(stage.hold.services).toBe(6 + 8), COUNTED_MS);
      const refilledAt = Date.now();
      await stage.registry.refill(services); // 55 of 61 = 90 %
      for (const one of buried) {
        expect(await stage.removed(one, since, stage.settleMs + REACT_MS)).toBeGreaterThanOrEqual(refilledAt);
      }
      await says(stage, { phase: "success", held: "NothingHeld" });
    },
    { realProvider: true, ownServer: true },
  );

  row(
    "emptied for good: held until a person releases it",
    async (stage) => {
      const buried = stage.services.slice(0, 10).flatMap((service) => stage.of(service));
      const since = await loseData(stage, buried);
      await stage.registry.refill(stage.services.slice(10, 20)); // a third
      await eventually(() => expect(stage.hold.services).toBe(20), COUNTED_MS);
      expect(buried.every((one) => stage.has(one))).toBe(true);
      await stage.registry.refill(stage.services.slice(20)); // 67 %: nobody lists the rest
      await eventually(() => expect(stage.hold.services).toBe(10), COUNTED_MS);

      const askedAt = Date.now();
      await stage.releaseHold();
      for (const one of buried) {
        const at = await stage.removed(one, since, REACT_MS);
        expect(at).toBeGreaterThanOrEqual(askedAt);
      }
    },
    { ownServer: true },
  );

  row(
    "emptied for good: held until --reset-hold is over",
    async (stage) => {
      const buried = stage.services.slice(0, 10).flatMap((service) => stage.of(service));
      const since = await loseData(stage, buried);
      const until = Date.parse(stage.hold.until);
      await stage.registry.refill(stage.services.slice(10));
      await emptiesAt(stage, buried, since, { from: until, to: until });
      for (const one of buried)
        expect(await stage.removed(one, since, REACT_MS)).toBeGreaterThanOrEqual(until - 1_000);
    },
    { ownServer: true, flags: ["--reset-hold=15s"] },
  );
}

/** Kills the registry, buries some of its providers, and brings it back empty. Returns when they died. */
async function loseData(stage: Stage, buried: readonly Provider[]): Promise<number> {
  await stage.registry.kill();
  const since = await stage.die(buried);
  await stage.registry.bury(buried);
  await stage.registry.start({ wipe: true });
  await says(stage, reset);
  return since;
}
