import { expect } from "vitest";
import { eventually } from "../support/eventually.ts";
import { REACT_MS } from "./expectations.ts";
import type { Row } from "./outages.ts";
import type { Provider } from "./registry.ts";

/** A registry that lets the operator read some services and others not. */
export function serviceRights(row: Row): void {
  row(
    "after a restart half of the services may not be read",
    async (stage) => {
      const { registry, services } = stage;
      const { rightsToServices: rights } = registry;
      if (rights === undefined)
        throw new Error("this registry has no such rights: its programme has to do without");
      const hidden = services.filter((_, at) => at % 2 === 0);
      await rights.revoke(hidden);
      await stage.killOperator();
      await stage.startOperator();
      await eventually(() => {
        const { phase, problems } = stage.status;
        const unreadable = problems.filter(({ problem }) => problem.startsWith("Unreadable")).length;
        expect({ phase, unreadable }).toEqual({ phase: "success", unreadable: hidden.length });
      }, 2 * registry.tellMs);
      // What can be read is believed.
      const [one] = stage.of(services[1] ?? "") as [Provider];
      const left = await stage.leave([one]);
      await stage.removed(one, left, stage.settleMs + REACT_MS);
      await rights.grant(hidden);
      await eventually(() => expect(stage.status.problems).toEqual([]), 2 * registry.tellMs);
    },
    { everyVersion: true },
  );
}
