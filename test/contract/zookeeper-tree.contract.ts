import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { addressesOf, firstSnapshot, instancesOf, observe } from "./observe.ts";
import { openReader, providerNode, providerUrl, type ZooKeeperHarness } from "./zookeeper-harness.ts";

const a = { address: "10.42.0.1", port: 20_880 };
const b = { address: "10.42.0.2", port: 20_880 };

/** What is read of interfaces, on a real server or the fake. */
export function describeTree(name: string, start: () => Promise<ZooKeeperHarness>): void {
  describe(`${name}: the Dubbo tree`, () => {
    let zk: ZooKeeperHarness;
    beforeAll(async () => {
      zk = await start();
    });
    afterAll(async () => zk[Symbol.asyncDispose]());
    beforeEach(async () => zk.clear());

    test("a missing root is an empty listing with a warning, until it is created", async () => {
      await using observer = observe(zk.open());
      const empty = await observer.until(() => {});
      expect(empty.problems).toMatchObject([{ at: "/dubbo", code: "RootMissing", severity: "warning" }]);
      expect(empty.origin).toBeUndefined();
      await zk.register("a.B", [a]);
      const full = await observer.until((one) =>
        expect(addressesOf(one, "a.B")).toEqual(["10.42.0.1:20880"]),
      );
      expect(full.problems).toEqual([]);
      expect(full.origin).toMatch(/^0x[0-9a-f]+\/\d+$/);
    });

    test("a root that is deleted and made again is another origin in the same watch", async () => {
      await zk.create(providerNode("a.B", providerUrl("a.B", a)));
      await using observer = observe(zk.open());
      const before = await observer.until((one) => expect(addressesOf(one, "a.B")).toHaveLength(1));
      await zk.remove("/dubbo");
      await observer.until((one) => expect(one.problems).toMatchObject([{ code: "RootMissing" }]));
      await zk.create(providerNode("a.B", providerUrl("a.B", b)));
      const after = await observer.until((one) =>
        expect(addressesOf(one, "a.B")).toEqual(["10.42.0.2:20880"]),
      );
      expect(after.origin).not.toBe(before.origin);
    });

    test("another root, and a missing chroot", async () => {
      await zk.create(providerNode("a.B", providerUrl("a.B", a), "/other/deep"));
      const address = zk.address();
      expect((await firstSnapshot(openReader({ address, root: "/other/deep" }))).services.size).toBe(1);
      expect((await firstSnapshot(openReader({ address, root: "/" }))).services.size).toBe(0);
      const nowhere = await firstSnapshot(openReader({ address: `${address}/nowhere` }));
      expect(nowhere.problems).toMatchObject([{ code: "RootMissing" }]);
    });

    test("interfaces without a providers directory are none, until they have one and after it went", async () => {
      await zk.create("/dubbo/a.ConsumerOnly/consumers");
      await zk.create("/dubbo/app-of-dubbo-go/0123456789abcdef");
      for (const own of ["config", "mapping", "metadata"]) await zk.create(`/dubbo/${own}/dubbo`);
      await using observer = observe(zk.open());
      expect((await observer.until(() => {})).services.size).toBe(0);
      await zk.register("a.ConsumerOnly", [a]);
      await observer.until((one) => expect(addressesOf(one, "a.ConsumerOnly")).toHaveLength(1));
      await zk.remove("/dubbo/a.ConsumerOnly/providers");
      await observer.until((one) => expect(one.services.size).toBe(0));
      await zk.register("a.ConsumerOnly", [b]);
      await observer.until((one) => expect(addressesOf(one, "a.ConsumerOnly")).toEqual(["10.42.0.2:20880"]));
      await zk.remove("/dubbo/a.ConsumerOnly");
      await observer.until((one) => expect(one.services.size).toBe(0));
    });

    test("one interface under two spellings of its directory is one service", async () => {
      const [one, two] = [providerUrl("a.B$C", a), providerUrl("a.B$C", b)].map(encodeURIComponent);
      await zk.create(`/dubbo/a.B%24C/providers/${one}`);
      await zk.create(`/dubbo/a.B$C/providers/${two}`);
      const snapshot = await firstSnapshot(zk.open());
      expect([...snapshot.services.keys()]).toEqual(["a.B$C"]);
      expect(addressesOf(snapshot, "a.B$C")).toHaveLength(2);
    });

    test("what the hub does not want is not told", async () => {
      await zk.register("a.Wanted", [a]);
      await zk.register("b.Unwanted", [a]);
      const snapshot = await firstSnapshot(
        openReader({ address: zk.address(), wants: (name) => name.startsWith("a.") }),
      );
      expect([...snapshot.services.keys()]).toEqual(["a.Wanted"]);
    });

    test("the same provider under a new timestamp is no news", async () => {
      const url = (timestamp: number): string =>
        `dubbo://10.42.0.1:20880/a.B?interface=a.B&pid=${timestamp}&timestamp=${timestamp}`;
      await zk.create(providerNode("a.B", url(1)));
      await using observer = observe(zk.open());
      await observer.until((one) => expect(addressesOf(one, "a.B")).toHaveLength(1));
      await zk.create(providerNode("a.B", url(2)));
      await zk.remove(providerNode("a.B", url(1)));
      await zk.register("a.Marker", [a]);
      await observer.until((one) => expect(addressesOf(one, "a.Marker")).toHaveLength(1));
      const told = new Set(observer.snapshots.map((one) => one.services.get("a.B")));
      expect(told.size).toBe(1);
    });

    test("5 MB of provider URLs are read whole", async () => {
      const many = Array.from({ length: 5_000 }, (_, at) => ({
        address: `10.42.${at >> 8}.${at & 255}`,
        port: 20_880,
      }));
      const padding = "x".repeat(800);
      const nodes = many.map((one) =>
        providerNode("a.Huge", `${providerUrl("a.Huge", one)}&padding=${padding}`),
      );
      await zk.create("/dubbo/a.Huge/providers");
      await Promise.all(nodes.map((path) => zk.create(path)));
      const snapshot = await firstSnapshot(zk.open());
      expect(instancesOf(snapshot, "a.Huge")).toHaveLength(5_000);
    });

    test("the reader creates nothing", async () => {
      await zk.register("a.B", [a]);
      await zk.create("/dubbo/a.ConsumerOnly/consumers");
      await firstSnapshot(zk.open());
      expect(await zk.writer.getChildren(zk.chroot())).toEqual(["dubbo"]);
      expect(await zk.writer.getChildren(`${zk.chroot()}/dubbo`)).toEqual(["a.B", "a.ConsumerOnly"]);
      expect(await zk.writer.getChildren(`${zk.chroot()}/dubbo/a.ConsumerOnly`)).toEqual(["consumers"]);
    });
  });
}
