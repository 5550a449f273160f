import { expect } from "vitest";
import { REACT_MS, recovers, says } from "./expectations.ts";
import type { Row } from "./outages.ts";

const settling = { phase: "success", held: "Settling" } as const;

/** A registry that keeps its instances in memory restarts: it lists none until its providers have come back by themselves. */
export function restarts(row: Row): void {
  row(
    "restarts empty and refilled by its clients: no ServiceEntry loses its last endpoint in between",
    async (stage) => {
      await stage.registry.kill();
      await stage.registry.start({ wipe: true });
      await says(stage, settling, 2 * stage.registry.tellMs);
      await stage.registry.refill(stage.services);
      await recovers(stage);
    },
    { realProvider: true, ownServer: true, everyVersion: true },
  );

  row(
    "providers that died while the registry was down are removed when it has settled",
    async (stage) => {
      const dead = new Set(stage.of(stage.services[0] ?? "").map(({ address }) => address));
      const buried = stage.living.filter(({ address }) => dead.has(address));
      await stage.registry.kill();
      const since = await stage.die(buried);
      await stage.registry.bury(buried);
      await stage.registry.start();
      await says(stage, settling, 2 * stage.registry.tellMs);
      const until = Date.parse(stage.hold.until);
      for (const one of buried) {
        const at = await stage.removed(one, since, stage.settleMs + REACT_MS);
        expect(at).toBeGreaterThanOrEqual(until - 1_000); // it has whole seconds
        expect(at).toBeLessThan(until + REACT_MS);
      }
    },
    { ownServer: true },
  );

  row(
    "the registry is stopped in good order, and started",
    async (stage) => {
      await stage.registry.stop();
      await says(stage, { phase: "failed", ready: "RegistryUnreachable" });
      await stage.registry.start();
      await recovers(stage);
    },
    { ownServer: true },
  );
}
