import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { addressesOf } from "../../../contract/observe.ts";
import type { FakeRequest, FaultRule } from "../../../fakes/zookeeper/faults.ts";
import { aclOf } from "../../../fakes/zookeeper/znodes.ts";
import { instanceNode, metadataInfo } from "../../../support/dubbo-application.ts";
import { type FakeReading, startFakeReading } from "./fake-reader.ts";

const closed = aclOf("dubbo", "secret");
const open = [{ perms: 31, scheme: "world", id: "anyone" }];

let reading: FakeReading;
beforeEach(async () => {
  reading = await startFakeReading();
});
afterEach(async () => reading[Symbol.asyncDispose]());

const reads =
  (path: string): FaultRule =>
  (request) =>
    request.path === path ? "hang" : undefined;

describe("answers that do not come", () => {
  test("a read that is never answered ends the watch, though pings are", async () => {
    const { zk } = reading;
    zk.register("a.B", ["dubbo://10.0.0.1:1/a.B"]);
    const observer = reading.read();
    await reading.until(observer, () => {});
    zk.faults.add(reads("/dubbo/a.B/providers"));
    zk.deregister("a.B", ["dubbo://10.0.0.1:1/a.B"]);
    await reading.pass(10_000);
    expect(await observer.ended).toMatchObject({
      code: "RegistryUnreachable",
      detail: `connection to ${zk.address}: the server answers pings, but no longer reads`,
    });
  });

  test("a long answer that keeps coming does not, however long it takes", async () => {
    const { zk } = reading;
    const urls = Array.from({ length: 200 }, (_, at) => `dubbo://10.0.0.1:${at + 1}/a.B`);
    zk.register("a.B", urls);
    const isLong = (request: FakeRequest): boolean => request.path === "/dubbo/a.B/providers";
    zk.faults.add((request) => (isLong(request) ? { pieceBytes: 100, everyMs: 500 } : undefined));
    const observer = reading.read();
    await reading.pass(20_000);
    expect(observer.snapshots).toEqual([]);
    await reading.until(
      observer,
      (snapshot) => expect(addressesOf(snapshot, "a.B")).toHaveLength(200),
      60_000,
    );
  });

  test.each([
    [1, 2_500],
    [2, 7_000],
  ])(
    "a server that needs its time for a new session is waited for, after %i failures",
    async (failures, delayMs) => {
      reading.zk.faults.add(({ operation }) => (operation === "connect" ? { delayMs } : undefined));
      const first = reading.read();
      await reading.pass(2_100);
      expect(await first.ended).toMatchObject({ detail: expect.stringContaining("silent for 2 s") });
      await reading.until(reading.read({ failures }), () => {}, 10_000);
    },
  );

  test("a connection that was never answered costs 8 s at most, whatever failed before", async () => {
    reading.zk.faults.add(({ operation }) => (operation === "connect" ? "hang" : undefined));
    const observer = reading.read({ failures: 1_000 });
    await reading.pass(8_200);
    expect(await observer.ended).toMatchObject({ code: "RegistryUnreachable" });
  });
});

describe("what is read again", () => {
  test("every obstacle has its turn, however many there are", async () => {
    const { zk } = reading;
    const names = Array.from({ length: 250 }, (_, at) => `app${at}`);
    for (const name of names) {
      const node = { address: "10.0.0.1", port: 1, revision: "r" };
      zk.create(`/services/${name}/10.0.0.1:1`, instanceNode(name, node));
      zk.create(`/dubbo/metadata/${name}/r`, metadataInfo(name, "r", [{ name: `a.${name}` }]));
      zk.setAcl(`/services/${name}`, closed);
    }
    const observer = reading.read();
    await reading.until(observer, (snapshot) => expect(snapshot.services.size).toBe(0));
    for (const name of names.slice(200)) zk.setAcl(`/services/${name}`, open);
    await reading.until(observer, (snapshot) => expect(snapshot.services.size).toBe(50), 10_500);
  });

  test("two readers of one path both hear of its change", async () => {
    const { zk } = reading;
    zk.register("a.B", ["dubbo://10.0.0.1:1/a.B"]);
    zk.create(
      "/services/a.B/10.0.0.9:1",
      instanceNode("a.B", { address: "10.0.0.9", port: 1, revision: "providers" }),
    );
    const observer = reading.read();
    await reading.until(observer, (snapshot) => expect(addressesOf(snapshot, "a.B")).toHaveLength(1));
    zk.register("a.B", ["dubbo://10.0.0.2:1/a.B"]);
    await reading.until(observer, (snapshot) => expect(addressesOf(snapshot, "a.B")).toHaveLength(2), 1_000);
  });

  test("a directory that is gone is forgotten while its interface lives under another spelling", async () => {
    const { zk } = reading;
    zk.create(`/dubbo/a.B$C/providers/${encodeURIComponent("dubbo://10.0.0.1:1/a.B$C")}`);
    zk.create(`/dubbo/a.B%24C/providers/${encodeURIComponent("dubbo://10.0.0.2:1/a.B$C")}`);
    const observer = reading.read();
    await reading.until(observer, (snapshot) => expect(addressesOf(snapshot, "a.B$C")).toHaveLength(2));
    zk.delete("/dubbo/a.B%24C");
    await reading.until(observer, (snapshot) =>
      expect(addressesOf(snapshot, "a.B$C")).toEqual(["10.0.0.1:1"]),
    );
    await reading.pass(1_000);
    zk.faults.reads();
    await reading.pass(15_000);
    expect(zk.faults.reads().filter((path) => path.includes("%24"))).toEqual([]);
    const probes = 3;
    expect(observer.snapshots.length).toBeLessThan(4 + probes);
  });

  test("a server that lost its data is noticed with the next session", async () => {
    const { zk } = reading;
    zk.register("a.B", ["dubbo://10.0.0.1:1/a.B"]);
    const observer = reading.read();
    const before = await reading.until(observer, () => {});
    await zk.restart({ lose: true });
    await reading.pass(100);
    expect(await observer.ended).toMatchObject({ code: "RegistryUnreachable" });
    zk.register("a.B", []);
    const after = await reading.until(reading.read(), () => {});
    expect(after.position).toBeLessThan(Number(before.position));
    expect(after.origin).not.toBe(before.origin);
  });
});

describe("bytes", () => {
  test("what comes later than the first answer is never quoted: it may be a token", async () => {
    const observer = reading.read();
    await reading.until(observer, () => {});
    const garbage = Buffer.from("&token=hunter2&x");
    reading.zk.faults.add(({ operation }) => (operation === "getData" ? { bytes: garbage } : undefined));
    await reading.pass(6_000);
    const failure = await observer.ended;
    expect(failure).toMatchObject({ code: "RegistryBadResponse" });
    expect(JSON.stringify(failure)).not.toContain("token");
    const other = reading.read();
    reading.zk.faults.add(({ operation }) =>
      operation === "connect" ? { bytes: Buffer.from("HTTP/1.1 400 Bad") } : undefined,
    );
    await reading.pass(100);
    expect(await other.ended).toMatchObject({
      detail: expect.stringContaining('starts with "HTTP/1.1 400 Bad"'),
    });
  });
});
