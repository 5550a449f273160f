import { describe, expect, test } from "vitest";
import { releaseHold } from "../../../src/cli/hold.ts";
import { UsageError } from "../../../src/cli/usage-error.ts";
import { listedHosts, statusOf } from "../../controllers/looks.ts";
import { hostsOf, openSettled, ten, without } from "../../controllers/scenes.ts";
import { hubKey, second, type World } from "../../controllers/world.ts";
import { accessTo } from "../../support/commands.ts";

const release = (world: World, hub = "hub") => releaseHold(hub, accessTo(world));

describe("hold release", () => {
  test("has the operator remove what it holds, and says what", async () => {
    const world = await openSettled({ services: ten });
    world.registry().lists(without(ten, 4));
    await world.advance(10 * second);
    const until = statusOf(world).hold?.until ?? "";
    const { lines, exitCode } = await release(world);
    expect(exitCode).toBe(0);
    expect(lines[0]).toBe(
      `released 4 services with 4 endpoints of RegistryHub demo/hub: Shrunk, which was to end at ${until}`,
    );
    await world.advance(5 * second);
    expect(listedHosts(world)).toEqual(hostsOf(without(ten, 4)));
  });

  test("twice is once", async () => {
    const world = await openSettled({ services: ten });
    world.registry().lists(without(ten, 4));
    await world.advance(10 * second);
    await world.hubController.stop();
    await release(world);
    const writes = world.writes().length;
    const { lines, exitCode } = await release(world);
    expect(exitCode).toBe(0);
    expect(lines[0]).toMatch(/^somebody has released it already: 4 services/);
    expect(world.writes()).toHaveLength(writes);
  });

  test("of nothing writes nothing, and says so", async () => {
    const world = await openSettled();
    const writes = world.writes().length;
    expect(await release(world)).toEqual({
      exitCode: 1,
      lines: ["nothing is held for RegistryHub demo/hub, so there is nothing to release"],
    });
    expect(world.writes()).toHaveLength(writes);
  });

  test("does not end settling", async () => {
    const world = await openSettled();
    world.registry().drop();
    world.registry().lists({});
    await world.advance(5 * second);
    const { lines, exitCode } = await release(world);
    expect(exitCode).toBe(1);
    expect(lines[0]).toMatch(/^RegistryHub demo\/hub is settling: .* stays until /);
    expect(world.person.get("registryhubs", hubKey)?.metadata.annotations).toBeUndefined();
  });

  test("of a hub that there is not is a wrong usage", async () => {
    const world = await openSettled();
    await expect(release(world, "other")).rejects.toThrow(UsageError);
    await expect(release(world, "shop/hub")).rejects.toThrow(/no RegistryHub hub in namespace shop/);
  });
});
