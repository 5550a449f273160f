import { expect } from "vitest";
import { eventually } from "../support/eventually.ts";
import { recovers, says } from "./expectations.ts";
import type { Row } from "./outages.ts";

/** What people do to the hub while its registry matters. */
export function hubEdits(row: Row): void {
  row(
    "the hub is deleted and created anew while its registry is down",
    async (stage) => {
      await stage.registry.kill();
      await says(stage, { phase: "failed", ready: "RegistryUnreachable" });
      await stage.deleteHub();
      await stage.applyHub();
      await says(stage, { phase: "failed", ready: "RegistryUnreachable" });
      await stage.registry.start();
      await recovers(stage);
    },
    { ownServer: true },
  );

  row("the hub's address becomes another registry's, and then its own again", async (stage) => {
    await using other = await stage.openRegistry();
    const guests = ["org.example.Guest1", "org.example.Guest2"].map((service) => ({
      service,
      address: "10.42.2.1",
      port: 20_880,
    }));
    await other.register(guests);
    await stage.applyHub(other.spec);
    const areThere = () => expect(guests.map((guest) => stage.has(guest))).toEqual([true, true]);
    await eventually(areThere, stage.registry.tellMs);
    // The other registry has settled: that it lists none of all the services is not believed at once.
    await says(stage, { phase: "success", held: "Shrunk" }, stage.settleMs + stage.registry.tellMs);
    await stage.applyHub();
    await says(stage, { phase: "success", held: "NothingHeld" }, stage.settleMs + 2 * stage.registry.tellMs);
  });

  row("the hub's address becomes one where nobody is, and then its own again", async (stage) => {
    const { spec, proxy } = stage.registry;
    await stage.applyHub({ ...spec, address: spec.address.replace(proxy.address, "127.0.0.1:1") });
    await says(stage, { phase: "failed", ready: "RegistryUnreachable" });
    await stage.applyHub();
    await recovers(stage);
  });
}
