import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Snapshot } from "../../src/model/service.ts";
import {
  instanceNode,
  metadataInfo,
  type TestProcess,
  type TestService,
} from "../support/dubbo-application.ts";
import {
  localInstance,
  remoteInstance,
  remoteMetadata,
  springInstance,
} from "../support/dubbo-recordings.ts";
import { connectZkWriter } from "../support/zk-writer.ts";
import { addressesOf, firstSnapshot, instancesOf, observe, serviceOf } from "./observe.ts";
import { openReader, type ZooKeeperHarness } from "./zookeeper-harness.ts";

const greeting = "org.apache.dubbo.samples.api.GreetingService";
const one = { address: "10.42.0.1", port: 20_880 };
const two = { address: "10.42.0.2", port: 20_880 };
const right = { username: "dubbo", password: "right" };
const owner = { users: [right] };

/** What is read of applications, on a real server or the fake. */
export function describeApplications(name: string, start: () => Promise<ZooKeeperHarness>): void {
  describe(`${name}: applications`, () => {
    let zk: ZooKeeperHarness;
    beforeAll(async () => {
      zk = await start();
    });
    afterAll(async () => zk[Symbol.asyncDispose]());
    beforeEach(async () => zk.clear());

    const node = (app: string, { address, port }: Pick<TestProcess, "address" | "port">): string =>
      `/services/${app}/${address.includes(":") ? `[${address}]` : address}:${port}`;
    const appear = (app: string, process: TestProcess): Promise<void> =>
      zk.create(node(app, process), instanceNode(app, process));
    const publish = (app: string, revision: string, services: readonly TestService[]): Promise<void> =>
      zk.create(`/dubbo/metadata/${app}/${revision}`, metadataInfo(app, revision, services));
    const known = (name: string, addresses: readonly string[]) => (snapshot: Snapshot) =>
      expect(addressesOf(snapshot, name)).toEqual(addresses);
    const problems = (snapshot: Snapshot) => snapshot.problems.map(({ at, code }) => ({ at, code }));
    const hidden = { at: "app", code: "ApplicationLevelOnly" };

    test("what Dubbo 3.3.6 wrote with register-mode=instance and metadata-type=remote", async () => {
      await zk.create("/services/zookeeper-demo-provider/192.0.2.10:20880", remoteInstance);
      await zk.create(
        "/dubbo/metadata/zookeeper-demo-provider/3e4b3bfb03c6428f78642fcbce940f67",
        remoteMetadata,
      );
      await zk.create(`/dubbo/mapping/${greeting}`, "zookeeper-demo-provider");
      const snapshot = await firstSnapshot(zk.open());
      expect(snapshot.problems).toEqual([]);
      expect([...snapshot.services.keys()]).toEqual([greeting]);
      expect(instancesOf(snapshot, greeting)).toMatchObject([
        { address: "192.0.2.10", port: 20_880, protocol: "dubbo", version: "1.0.0", group: "" },
      ]);
    });

    test("an instance comes, changes its revision in place, gets a twin, and goes", async () => {
      await publish("app", "r1", [{ name: "a.B" }]);
      await publish("app", "r2", [{ name: "a.B" }, { name: "a.New" }]);
      await using observer = observe(zk.open());
      await observer.until((snapshot) => expect(snapshot.services.size).toBe(0));
      await appear("app", { ...one, revision: "r1" });
      await observer.until(known("a.B", ["10.42.0.1:20880"]));
      await zk.setData(node("app", one), instanceNode("app", { ...one, revision: "r2" }));
      await observer.until(known("a.New", ["10.42.0.1:20880"]));
      await appear("app", { ...two, revision: "r1" });
      const both = await observer.until(known("a.B", ["10.42.0.1:20880", "10.42.0.2:20880"]));
      expect(addressesOf(both, "a.New")).toEqual(["10.42.0.1:20880"]);
      await zk.remove(node("app", one));
      const left = await observer.until(known("a.B", ["10.42.0.2:20880"]));
      expect(left.services.has("a.New")).toBe(false);
      await zk.remove("/services/app");
      await observer.until((snapshot) => expect(snapshot.services.size).toBe(0));
      await appear("app", { ...one, revision: "r1" });
      await observer.until(known("a.B", ["10.42.0.1:20880"]));
      expect(observer.snapshots.flatMap(problems)).toEqual([]);
    });

    test("/services, a container node, vanishes and returns", async () => {
      await publish("app", "r1", [{ name: "a.B" }]);
      await appear("app", { ...one, revision: "r1" });
      await using observer = observe(zk.open());
      await observer.until(known("a.B", ["10.42.0.1:20880"]));
      await zk.remove("/services");
      await observer.until((snapshot) => expect(snapshot.services.size).toBe(0));
      await appear("app", { ...two, revision: "r1" });
      await observer.until(known("a.B", ["10.42.0.2:20880"]));
    });

    test("a provider that registered both is one, until only its application is left", async () => {
      await publish("app", "r1", [{ name: "a.B" }]);
      await zk.register("a.B", [one]);
      await appear("app", { ...one, revision: "r1" });
      await appear("app", { ...two, revision: "r1" });
      await using observer = observe(zk.open());
      const first = await observer.until(known("a.B", ["10.42.0.1:20880", "10.42.0.2:20880"]));
      const [twin, other] = instancesOf(first, "a.B").map(({ metadata }) => metadata);
      expect(twin).not.toHaveProperty("application");
      expect(other).toMatchObject({ application: "app" });
      await zk.deregister("a.B", [one]);
      await observer.until((snapshot) =>
        expect(instancesOf(snapshot, "a.B")[0]).toMatchObject({ metadata: { application: "app" } }),
      );
    });

    test("Java's default, both levels with local metadata, is no trouble", async () => {
      await zk.create("/services/zookeeper-demo-provider/192.0.2.10:20880", localInstance);
      await zk.create(`/dubbo/mapping/${greeting}`, "zookeeper-demo-provider");
      await zk.register(greeting, [{ address: "192.0.2.10", port: 20_880 }]);
      const snapshot = await firstSnapshot(zk.open());
      expect(snapshot.problems).toEqual([]);
      expect(addressesOf(snapshot, greeting)).toEqual(["192.0.2.10:20880"]);
    });

    test("local metadata: the interface is unknown and the application is told, while it lives", async () => {
      await zk.create("/services/zookeeper-demo-provider/192.0.2.10:20880", localInstance);
      await zk.create(`/dubbo/mapping/${greeting}`, "dead,zookeeper-demo-provider");
      await zk.create("/dubbo/mapping/a.Outlived", "dead");
      await using observer = observe(zk.open());
      const only = await observer.until((snapshot) =>
        expect(serviceOf(snapshot, greeting).instances).toBe("unknown"),
      );
      expect([...only.services.keys()]).toEqual([greeting]);
      expect(only.problems).toMatchObject([
        { at: "zookeeper-demo-provider", code: "ApplicationLevelOnly", severity: "warning" },
      ]);
      expect(only.problems[0]?.detail).toContain(`serves ${greeting}, but`);
      await zk.register(greeting, [one]);
      const served = await observer.until(known(greeting, ["10.42.0.1:20880"]));
      expect(problems(served)).toEqual([{ at: "zookeeper-demo-provider", code: "ApplicationLevelOnly" }]);
      await zk.deregister(greeting, [one]);
      await observer.until((snapshot) => expect(serviceOf(snapshot, greeting).instances).toBe("unknown"));
      await zk.remove("/services/zookeeper-demo-provider");
      const gone = await observer.until((snapshot) => expect(snapshot.problems).toEqual([]));
      expect(instancesOf(gone, greeting)).toEqual([]); // its directory is still there
    });

    test("a mapping that is written later, and for another interface", async () => {
      await appear("app", { ...one, revision: "r1", storage: "local" });
      await using observer = observe(zk.open());
      await observer.until((snapshot) => expect(problems(snapshot)).toContainEqual(hidden));
      await zk.create("/dubbo/mapping/a.B", "app");
      await observer.until((snapshot) => expect(serviceOf(snapshot, "a.B").instances).toBe("unknown"));
      await zk.create("/dubbo/mapping/a.C", "other");
      await zk.setData("/dubbo/mapping/a.C", "other,app");
      await observer.until((snapshot) => expect(serviceOf(snapshot, "a.C").instances).toBe("unknown"));
    });

    test.each(["/dubbo/metadata/app/r1", "/dubbo/app/r1"])(
      "metadata that is written after the instance, to %s",
      async (path) => {
        await zk.create("/dubbo/mapping/a.B", "app");
        await appear("app", { ...one, revision: "r1" });
        await using observer = observe(zk.open());
        const early = await observer.until((snapshot) => expect(problems(snapshot)).toEqual([hidden]));
        expect(serviceOf(early, "a.B").instances).toBe("unknown");
        await zk.create(path, "{");
        await observer.until((snapshot) =>
          expect(snapshot.problems[0]?.detail).toContain("its metadata does not have Dubbo's form"),
        );
        await zk.setData(path, metadataInfo("app", "r1", [{ name: "a.B" }]));
        const healed = await observer.until(known("a.B", ["10.42.0.1:20880"]));
        expect(healed.problems).toEqual([]);
        expect([...healed.services.keys()]).toEqual(["a.B"]);
      },
    );

    test("metadata that was reported though its storage is local", async () => {
      await publish("app", "r1", [{ name: "a.B" }]);
      await appear("app", { ...one, revision: "r1", storage: "local" });
      const snapshot = await firstSnapshot(zk.open());
      expect(addressesOf(snapshot, "a.B")).toEqual(["10.42.0.1:20880"]);
      expect(snapshot.problems).toEqual([]);
    });

    test("others that live below /services, odd nodes and revisions harm nobody", async () => {
      await zk.create("/services/order-service/80192dc1-f826-4245-990a-e48796867576", springInstance);
      await zk.create("/services/empty");
      await zk.create("/services/odd/node", "{}");
      await appear("consumer", { ...one, revision: "0" });
      await appear("app", { ...one, revision: "../../../x" });
      await appear("app", { ...two, revision: "r1" });
      await publish("app", "r1", [{ name: "a.B" }, { name: "org.apache.dubbo.metadata.MetadataService" }]);
      await appear("six", { address: "2001:db8::1", port: 1, revision: "r1" });
      await publish("six", "r1", [{ name: "a.Six" }]);
      await zk.create("/dubbo/org.apache.dubbo.metadata.MetadataService/providers");
      await zk.create("/dubbo/mapping/a.Mapped", "order-service,consumer,empty");
      const snapshot = await firstSnapshot(zk.open());
      expect([...snapshot.services.keys()].toSorted()).toEqual(["a.B", "a.Six"]);
      expect(addressesOf(snapshot, "a.B")).toEqual(["10.42.0.2:20880"]);
      expect(instancesOf(snapshot, "a.Six")).toMatchObject([{ address: "2001:db8::1", port: 1 }]);
    });

    test("a filter does not make a provider look as if it registered its application only", async () => {
      await zk.create("/dubbo/mapping/a.Old", "app");
      await zk.register("a.Old", [two]);
      await zk.register("b.Other", [one]);
      await appear("app", { ...one, revision: "r1", storage: "local" });
      const wants = (service: string): boolean => service.startsWith("a.");
      await using observer = observe(openReader({ address: zk.address(), wants }));
      await observer.until(known("a.Old", ["10.42.0.2:20880"]));
      await zk.deregister("a.Old", [two]);
      const dropped = await observer.until(known("a.Old", []));
      expect(dropped.problems).toEqual([]);
    });

    test.each(["/prod", "/dubbo"])("applications below the group %s, and none of another", async (root) => {
      await zk.create(
        `${root}/orders/${one.address}:${one.port}`,
        instanceNode("orders", { ...one, revision: "r1" }),
      );
      await zk.create(`${root}/metadata/orders/r1`, metadataInfo("orders", "r1", [{ name: "a.B" }]));
      await zk.create(
        `/dev/orders/${two.address}:${two.port}`,
        instanceNode("orders", { ...two, revision: "r1" }),
      );
      await using observer = observe(openReader({ address: zk.address(), root }));
      const grouped = await observer.until(known("a.B", ["10.42.0.1:20880"]));
      expect([...grouped.services.keys()]).toEqual(["a.B"]);
      expect(grouped.problems).toEqual([]);
      await zk.remove(`${root}/orders`);
      await observer.until((snapshot) => expect(snapshot.services.size).toBe(0));
    });

    test("what the hub does not want is neither told nor missed", async () => {
      await publish("app", "r1", [{ name: "a.Wanted" }, { name: "b.Unwanted" }]);
      await appear("app", { ...one, revision: "r1" });
      await appear("local", { ...two, revision: "r2", storage: "local" });
      await zk.create("/dubbo/mapping/b.Unwanted", "local");
      const wants = (name: string): boolean => name.startsWith("a.");
      const snapshot = await firstSnapshot(openReader({ address: zk.address(), wants }));
      expect([...snapshot.services.keys()]).toEqual(["a.Wanted"]);
      expect(snapshot.problems).toEqual([]);
    });

    test("a service that did not change is the same object in the next snapshot", async () => {
      await publish("app", "r1", [{ name: "a.B" }]);
      await zk.create("/dubbo/mapping/a.Hidden", "local");
      await appear("app", { ...one, revision: "r1" });
      await appear("local", { ...one, revision: "r1", storage: "local" });
      await using observer = observe(zk.open());
      const before = await observer.until(known("a.B", ["10.42.0.1:20880"]));
      await zk.setData(node("app", one), `${instanceNode("app", { ...one, revision: "r1" })} `);
      await publish("other", "r1", [{ name: "a.Other" }]);
      await appear("other", { ...two, revision: "r1" });
      const after = await observer.until(known("a.Other", ["10.42.0.2:20880"]));
      for (const name of ["a.B", "a.Hidden"])
        expect(after.services.get(name)).toBe(before.services.get(name));
    });

    test("metadata that is deleted holds while its revision lives; who never read it knows a part", async () => {
      await zk.create("/dubbo/mapping/a.B", "orders,billing");
      for (const app of ["orders", "billing"]) await publish(app, "r1", [{ name: "a.B" }]);
      await appear("orders", { ...one, revision: "r1" });
      await appear("billing", { ...two, revision: "r1" });
      await using observer = observe(zk.open());
      const both = known("a.B", ["10.42.0.1:20880", "10.42.0.2:20880"]);
      await observer.until(both);
      await zk.remove("/dubbo/metadata/orders/r1");
      const held = await observer.until((some) => expect(problems(some)).toHaveLength(1));
      both(held);
      const fresh = await firstSnapshot(zk.open());
      expect(serviceOf(fresh, "a.B")).toMatchObject({ isPartial: true, instances: [two] });
      expect(problems(fresh)).toEqual([{ at: "orders", code: "ApplicationLevelOnly" }]);
    });

    test.each([
      ["metadata and mapping", ["/dubbo/metadata/app/r1", "/dubbo/mapping"]],
      ["/services and mapping", ["/services", "/dubbo/mapping"]],
      ["/services/app", ["/services/app"]],
      ["an instance", [node("app", one)]],
    ])("without the right to %s what the cluster has is unknown, until it is granted", async (_, paths) => {
      await zk.register("a.Other", [two]);
      await publish("app", "r1", [{ name: "a.B" }]);
      await appear("app", { ...one, revision: "r1" });
      await zk.create("/dubbo/mapping/a.Else", "else");
      for (const path of paths) await zk.writer.setAcl(zk.chroot() + path, owner);
      await using observer = observe(openReader({ address: zk.address(), known: ["a.B"] }));
      const blind = await observer.until(known("a.Other", ["10.42.0.2:20880"]));
      expect(serviceOf(blind, "a.B").instances).toBe("unknown");
      expect(blind.problems).not.toEqual([]);
      await using admin = await connectZkWriter(`${zk.server.address}${zk.chroot()}`, { user: right });
      for (const path of paths) await admin.setAcl(path, "open");
      const granted = await observer.until(known("a.B", ["10.42.0.1:20880"]), 15_000);
      expect(granted.problems).toEqual([]);
    });

    test("one instance of two without the right to read it: the interface is known in part", async () => {
      await zk.create("/dubbo/mapping/a.B", "app");
      await publish("app", "r1", [{ name: "a.B" }]);
      await appear("app", { ...one, revision: "r1" });
      await appear("app", { ...two, revision: "r1" });
      await zk.writer.setAcl(`${zk.chroot()}${node("app", two)}`, owner);
      const snapshot = await firstSnapshot(zk.open());
      expect(serviceOf(snapshot, "a.B")).toMatchObject({ isPartial: true, instances: [one] });
    });

    test("no name has a character that the server writes in two halves: it refuses such a path", async () => {
      for (const character of ["\u{1f600}", "\u{20bb7}", "\u{10000}", "\u{10ffff}"])
        await expect(zk.create(`/services/app-${character}`)).rejects.toThrow("BAD_ARGUMENTS");
      await zk.create("/services/app-\u{4f60}\u{597d}");
    });

    test("without the right to list applications only what can be known is told, until it is granted", async () => {
      await using admin = await connectZkWriter(`${zk.server.address}${zk.chroot()}`, { user: right });
      await admin.create("/services", { acl: owner });
      await zk.create("/dubbo/mapping/a.B", "app");
      await zk.create("/dubbo/mapping/a.Hidden", "app");
      await zk.register("a.B", [one]);
      await using observer = observe(zk.open());
      const blind = await observer.until(known("a.B", ["10.42.0.1:20880"]));
      expect(problems(blind)).toEqual([{ at: "/services", code: "Unreadable" }]);
      expect(serviceOf(blind, "a.Hidden").instances).toBe("unknown");
      await admin.setAcl("/services", "open");
      const granted = await observer.until((snapshot) => expect(snapshot.problems).toEqual([]));
      expect([...granted.services.keys()]).toEqual(["a.B"]);
    });

    test("an application, an instance or metadata without the right to read it is unknown", async () => {
      await zk.writer.create(`${zk.chroot()}/services/unlisted`, { acl: owner });
      await zk.writer.create(`${zk.chroot()}${node("unread", one)}`, { acl: owner });
      await appear("app", { ...one, revision: "r1" });
      await zk.writer.create(`${zk.chroot()}/dubbo/metadata/app/r1`, {
        data: metadataInfo("app", "r1", [{ name: "a.app" }]),
        acl: owner,
      });
      const names = ["app", "unlisted", "unread"];
      for (const name of names) await zk.create(`/dubbo/mapping/a.${name}`, name);
      await using observer = observe(zk.open());
      const snapshot = await observer.until((some) => expect(some.services.size).toBe(3));
      expect(problems(snapshot)).toEqual(names.map((at) => ({ at, code: "Unreadable" })));
      for (const name of names) expect(serviceOf(snapshot, `a.${name}`).instances).toBe("unknown");
      const reader = openReader({ address: zk.address(), credentials: right });
      expect(addressesOf(await firstSnapshot(reader), "a.app")).toEqual(["10.42.0.1:20880"]);
    });
  });
}
