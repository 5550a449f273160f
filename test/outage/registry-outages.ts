import { expect } from "vitest";
import { eventually } from "../support/eventually.ts";
import { recovers, says } from "./expectations.ts";
import type { Row } from "./outages.ts";

const lost = { phase: "failed", ready: "RegistryUnreachable" } as const;

/** The registry cannot be read for a while, and keeps its data. */
export function registryOutages(row: Row): void {
  row(
    "the registry is killed, and back with its data",
    async (stage) => {
      await stage.registry.kill();
      await says(stage, lost);
      await stage.registry.start();
      await recovers(stage);
    },
    { realProvider: true, ownServer: true, everyVersion: true },
  );

  row(
    "the registry is frozen for longer than its sessions last",
    async (stage) => {
      stage.registry.freeze();
      await says(stage, lost);
      await stage.lasts(stage.registry.sessionMs);
      stage.registry.resume();
      await recovers(stage);
    },
    { realProvider: true, ownServer: true, everyVersion: true },
  );

  row(
    "the right to read anything is revoked, and restored",
    async (stage) => {
      await stage.registry.revokeAll();
      await says(stage, { phase: "failed", ready: "RegistryUnauthorized" });
      await stage.registry.grantAll();
      await recovers(stage);
    },
    { everyVersion: true },
  );

  row("connections are cut, refused, stalled and swallowed between operator and registry", async (stage) => {
    const { proxy } = stage.registry;
    const { accepted } = proxy;
    proxy.cut();
    await eventually(() => expect(proxy.accepted).toBeGreaterThan(accepted), stage.registry.tellMs);
    await proxy.refuse();
    await says(stage, lost);
    await proxy.heal();
    await says(stage, { phase: "success" });
    proxy.stall();
    await says(stage, lost);
    await proxy.heal();
    await says(stage, { phase: "success" });
    proxy.swallow();
    await says(stage, lost);
    await proxy.heal();
    await recovers(stage);
  });
}
