import { describe, expect, test } from "vitest";
import { hubReport, isFine } from "../../../src/cli/status/hub-report.ts";
import { tableLines } from "../../../src/cli/status/view.ts";
import { openServed, openSettled, ten, two, without } from "../../controllers/scenes.ts";
import { hub, hubKey, minute, openWorld, second, type World } from "../../controllers/world.ts";
import { doctor, explain, shownBelow, statusLines } from "../../support/commands.ts";

const reportOf = ({ person }: World, key = hubKey) => {
  const object = person.get("registryhubs", key);
  if (object === undefined) throw new Error(`there is no hub ${key}`);
  return hubReport(object);
};

const documented = (world: World): void =>
  expect(statusLines(world).join("\n").trimEnd()).toBe(shownBelow("kubectl registryhub status -n demo hub"));

describe("a hub", () => {
  test("that is Ready begins with a line that says so", async () => {
    const world = await openSettled();
    expect(statusLines(world)[0]).toBe("RegistryHub demo/hub is Ready, for 1m");
    expect(statusLines(world)).toContain("  services      2 in the cluster, with 2 endpoints");
    expect(isFine(reportOf(world))).toBe(true);
  });

  test("whose registry is away begins with cause and fix", async () => {
    const world = await openSettled();
    world.registry().fail();
    await world.advance(10 * second);
    const [what, cause, fix] = statusLines(world);
    expect(what).toMatch(/^RegistryHub demo\/hub is not Ready: RegistryUnreachable, for \d+s$/);
    expect(cause).toMatch(/^cause: ./);
    expect(fix).toMatch(/^fix: {3}.*; the operator retries by itself\.$/);
    expect(cause).not.toContain("retries");
    expect(reportOf(world)).toMatchObject({ phase: "failed", ready: "False", services: 2 });
  });

  test("that the brake holds tells how to let go, with the exact command", async () => {
    const world = await openSettled({ services: ten });
    world.registry().lists(without(ten, 4));
    await world.advance(10 * second);
    const until = reportOf(world).held?.until ?? "";
    expect(statusLines(world).slice(0, 3)).toEqual([
      "RegistryHub demo/hub is Ready, for 2m; removals are held: Shrunk",
      expect.stringMatching(/^cause: Many services lost their last instance at once\./),
      `fix:   wait until ${until}, or: kubectl annotate --overwrite registryhub -n demo hub ecns.easystack.cn/release-hold=${until}`,
    ]);
    expect(isFine(reportOf(world))).toBe(false);
    documented(world);
  });

  test("whose registry lost its data: every command says to restart the providers", async () => {
    const world = await openServed();
    world.registry().describe({ origin: "0x1/1", position: 500 });
    await world.advance(minute);
    world.registry().lists({});
    world.registry().drop({ reset: true });
    await world.advance(minute);
    const how = /^fix: {3}restart the providers, .*; or wait until \S+Z, or: kubectl annotate .*=\S+Z$/i;
    expect(statusLines(world)[2]).toMatch(how);
    expect((await explain(world, "demo.A")).lines[2]).toMatch(how);
    expect((await doctor(world)).lines.join("\n")).toMatch(new RegExp(how, "im"));
  });

  test("that settles needs no command", async () => {
    const world = await openSettled();
    world.registry().drop();
    world.registry().lists({});
    await world.advance(5 * second);
    expect(reportOf(world).held).toMatchObject({ reason: "Settling", release: "" });
    expect(statusLines(world)[2]).toMatch(/^fix: {3}nothing; it ends by itself at /);
  });

  test("that nobody has looked at, or not since its last edit, says who should", async () => {
    const world = openWorld();
    world.person.put(hub());
    expect(statusLines(world).slice(0, 2)).toEqual([
      "RegistryHub demo/hub has no status",
      "cause: no operator has looked at the hub: it has no status",
    ]);
    const settled = await openSettled();
    await settled.hubController.stop();
    settled.person.edit("registryhubs", hubKey, (object) => ({
      ...object,
      spec: { ...object.spec, policy: "upsert-only" },
    }));
    expect(reportOf(settled).trouble?.cause).toBe(
      "no operator has taken in the last edit: the hub has generation 2, and its status is of 1",
    );
  });

  test("that no version can read names the field", () => {
    const world = openWorld();
    world.person.put({ ...hub(), spec: { type: "etcd", generate_to: "demo", address: "x" } });
    expect(reportOf(world).trouble?.cause).toContain('spec.type "etcd" is not one of');
  });

  test("tells its problems, those of the mesh apart", async () => {
    const world = await openSettled({ services: { ...two, "demo.C": ["10.42.0.3:0", "10.42.0.3:20880"] } });
    const lines = statusLines(world);
    expect(lines).toContain("  problems      1");
    expect(lines).toContain("    rejected demo.C 10.42.0.3:0");
    expect(lines).toContain("  mesh          none");
  });

  test("gives nobody a command to paste that its status has made up", () => {
    const condition = { type: "DeletionHeld", status: "True", reason: "Shrunk", message: "Held." };
    const conditions = [{ ...condition, lastTransitionTime: "2024-02-04T03:00:00Z" }];
    const hold = { since: "2024-02-04T03:00:00Z", until: "2024 (;reboot)", services: 1, endpoints: 1 };
    expect(hubReport({ ...hub(), status: { conditions, hold } }).held).toMatchObject({ release: "" });
  });

  test("is read whatever its status holds", () => {
    const odd = [{ conditions: "x" }, { hold: 3, problems: [null] }, null, "text"];
    for (const status of odd) expect(hubReport({ ...hub(), status })).toMatchObject({ phase: "none" });
  });
});

describe("the table", () => {
  test("has a row for each hub, and says which one to look at", async () => {
    const world = await openSettled();
    world.person.put(hub({ address: "nowhere:2181" }, { name: "lost" }));
    world.registry("nowhere:2181").fail();
    await world.advance(10 * second);
    const reports = [reportOf(world), reportOf(world, "demo/lost")];
    const options = { isWide: false, withNamespaces: true };
    const lines = tableLines(reports, world.clock.now(), options);
    expect(lines.map((line) => line.split(/ {2,}/).slice(0, 6))).toEqual([
      ["NAMESPACE", "NAME", "TYPE", "TARGET", "PHASE", "REASON"],
      ["demo", "hub", "zookeeper", "demo", "success", "Ready"],
      ["demo", "lost", "zookeeper", "demo", "failed", "RegistryUnreachable"],
      [""],
      ["1 of 2 hubs need a look: registryhub status -n demo lost"],
    ]);
    const wide = tableLines(reports, world.clock.now(), { ...options, isWide: true });
    expect(wide[2]).toContain("nowhere:2181");
  });

  test("of hubs that are fine says no more", async () => {
    const world = await openSettled();
    await world.advance(minute);
    const options = { isWide: false, withNamespaces: false };
    expect(tableLines([reportOf(world)], world.clock.now(), options)).toHaveLength(2);
  });
});
