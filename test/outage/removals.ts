import { expect } from "vitest";
import { eventually } from "../support/eventually.ts";
import { accepts, emptiesAt, REACT_MS, says } from "./expectations.ts";
import type { Row } from "./outages.ts";
import type { Provider } from "./registry.ts";
import { SHRINK_HOLD_MS } from "./stage.ts";

/** Long enough to look at an entry that is empty. */
const GRACE_MS = 8_000;

/** Providers that really end: what is gone goes, at its time. */
export function removals(row: Row): void {
  row(
    "one of two instances, then the last one, is really removed",
    async (stage) => {
      await accepts(stage);
      const [, service = ""] = stage.services;
      const [first, last] = stage.of(service) as [Provider, Provider];
      const firstLeft = await stage.leave([first]);
      await stage.removed(first, firstLeft, REACT_MS);

      const lastLeft = await stage.leave([last]);
      await stage.removed(last, lastLeft, REACT_MS);
      const emptySince =
        stage.entryOf(service)?.metadata.annotations?.["ecns.easystack.cn/empty-since"] ?? "";
      expect(emptySince).toMatch(/Z$/); // the entry is there, and empty
      await eventually(() => expect(stage.entryOf(service)).toBeUndefined(), GRACE_MS + REACT_MS);
      expect(Date.now() - Date.parse(emptySince)).toBeGreaterThanOrEqual(GRACE_MS);
    },
    { everyVersion: true, flags: [`--empty-grace=${GRACE_MS / 1_000}s`] },
  );

  row("all services are really removed: held once, then gone", async (stage) => {
    await accepts(stage);
    const all = stage.living;
    const left = await stage.leave(all);
    await says(stage, { phase: "success", held: "Shrunk" });
    const { since, until, services } = stage.hold;
    expect(services).toBeGreaterThan(1);
    expect(Date.parse(until) - Date.parse(since)).toBeGreaterThanOrEqual(SHRINK_HOLD_MS);
    const others = all.filter(({ service }) => service !== stage.services[0]);
    // Some registries tell of them one by one, and what comes before the brake's share is reached is believed.
    const early = Math.floor(stage.services.length * 0.2);
    await emptiesAt(stage, others, left, { from: left + SHRINK_HOLD_MS, to: Date.parse(until), early });
  });

  row("services are removed one each second: the brake counts over its window", async (stage) => {
    await accepts(stage);
    const lost: { readonly gone: readonly Provider[]; readonly left: number }[] = [];
    const began = Date.now();
    for (const service of stage.services.slice(1, 13)) {
      const gone = stage.of(service);
      lost.push({ gone, left: await stage.leave(gone) });
      await stage.lasts(began + lost.length * 1_000 - Date.now());
    }
    await says(stage, { held: "Shrunk" });
    const { since } = stage.hold;
    // Of 30 services 20 % are 6: the seventh that is lost within the window pulls the brake.
    const [believed, held] = [lost.slice(0, 6), lost.slice(6)];
    for (const { gone, left } of believed)
      for (const one of gone)
        expect(await stage.removed(one, left, REACT_MS)).toBeLessThan(Date.parse(since) + REACT_MS);
    for (const { gone, left } of held) {
      const from = left + SHRINK_HOLD_MS; // each service has its own hold
      await emptiesAt(stage, gone, left, { from, to: from + stage.registry.tellMs });
    }
  });
}
