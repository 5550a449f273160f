import { expect } from "vitest";
import { eventually } from "../support/eventually.ts";
import { REACT_MS } from "./expectations.ts";
import type { Row } from "./outages.ts";
import type { Provider } from "./registry.ts";
import type { Stage } from "./stage.ts";

const OUTAGE_MS = 5_000;

/** The API server is away while providers come and go, and people take away what the operator wrote. */
export function clusterOutages(row: Row): void {
  row(
    "the API server is frozen while providers come and go",
    async (stage) => {
      await churn(stage, 0, async () => {
        stage.api.freeze();
        return async () => stage.api.resume();
      });
    },
    { alone: true },
  );

  row(
    "the API server is killed and restarted while providers come and go",
    async (stage) => {
      await churn(stage, 1, async () => {
        await stage.api.kill();
        return () => stage.api.restart();
      });
    },
    { alone: true },
  );

  row(
    "an entry that a person deletes comes back at once, and the recorder has seen that it was gone",
    async (stage) => {
      const [service = ""] = stage.services;
      const { name = "", uid } = stage.entryOf(service)?.metadata ?? {};
      await stage.kubectl(["delete", "serviceentry", name, "-n", stage.namespace]);
      await eventually(() => {
        expect(stage.entryOf(service)?.metadata.uid).not.toBe(uid);
        expect(stage.of(service).every((one) => stage.has(one))).toBe(true);
      }, REACT_MS);
      const seen = await stage.losses(); // or no other story proves anything
      expect(seen.filter((loss) => loss.startsWith("endpoint "))).toHaveLength(2);
      expect(seen.filter((loss) => loss.startsWith("the filter "))).toEqual([]);
      stage.forgive();
    },
  );
}

/** Providers come and go before, during and after an outage; `begin` returns what ends it. */
async function churn(stage: Stage, round: number, begin: () => Promise<() => Promise<void>>): Promise<void> {
  const newcomers = (at: string): readonly Provider[] =>
    Array.from({ length: 5 }, (_, i) => ({
      service: `org.example.${at}${i}`,
      address: `10.42.3.${round + 1}`,
      port: 20_880,
    }));
  const leavers = stage.services.slice(0, 4).flatMap((service) => stage.of(service).slice(0, 1));
  const [before, during, after] = [newcomers("Before"), newcomers("During"), newcomers("After")];
  await stage.registry.register(before);
  const end = await begin();
  const start = performance.now();
  await stage.registry.register(during);
  const left = await stage.leave(leavers);
  await stage.lasts(OUTAGE_MS - (performance.now() - start));
  await end();
  await stage.registry.register(after);
  await stage.appear([...before, ...during, ...after]);
  for (const one of leavers) await stage.removed(one, left, 3 * REACT_MS);
}
