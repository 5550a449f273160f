import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Snapshot } from "../../../../src/model/service.ts";
import { addressesOf, serviceOf } from "../../../contract/observe.ts";
import { aclOf } from "../../../fakes/zookeeper/znodes.ts";
import { instanceNode, metadataInfo, type TestProcess } from "../../../support/dubbo-application.ts";
import { type FakeReading, startFakeReading } from "./fake-reader.ts";

const one = { address: "10.0.0.1", port: 20_880, revision: "r1" };
const two = { address: "10.0.0.2", port: 20_880, revision: "r1" };
const at1 = { address: "10.0.0.1", port: 20_880 };
const closed = aclOf("dubbo", "secret");
const open = [{ perms: 31, scheme: "world", id: "anyone" }];

let reading: FakeReading;
beforeEach(async () => {
  reading = await startFakeReading();
});
afterEach(async () => reading[Symbol.asyncDispose]());

/** An application's live process, where Java registers it without a registry group. */
function appear(app: string, process: TestProcess, home = "/services"): string {
  const path = `${home}/${app}/${process.address}:${process.port}`;
  reading.zk.create(path, instanceNode(app, process));
  return path;
}

function publish(app: string, revision: string, names: readonly string[], root = "/dubbo"): string {
  const path = `${root}/metadata/${app}/${revision}`;
  reading.zk.create(
    path,
    metadataInfo(
      app,
      revision,
      names.map((name) => ({ name })),
    ),
  );
  return path;
}

const instancesIn = (snapshot: Snapshot, name: string) => snapshot.services.get(name)?.instances;
const problemsOf = (snapshot: Snapshot) => snapshot.problems.map(({ at, code }) => ({ at, code }));

describe("what could not be read is unknown, never gone", () => {
  const rights: readonly [string, readonly string[], boolean][] = [
    ["metadata and mapping", ["/dubbo/metadata/app/r1", "/dubbo/mapping"], true],
    ["/services and mapping", ["/services", "/dubbo/mapping"], true],
    ["the application and mapping", ["/services/app", "/dubbo/mapping"], true],
    ["metadata, and nobody wrote a mapping", ["/dubbo/metadata/app/r1"], false],
    ["/services, and nobody wrote a mapping", ["/services"], false],
    ["the instance, and nobody wrote a mapping", ["/services/app/10.0.0.1:20880"], false],
    ["the mapping of the interface, and metadata", ["/dubbo/mapping/a.I", "/dubbo/metadata/app/r1"], true],
  ];

  function fill(isMapped: boolean): void {
    for (let at = 0; at < 20; at++) reading.zk.register(`b.S${at}`, ["dubbo://10.0.1.1:20880/b"]);
    publish("app", "r1", ["a.I"]);
    appear("app", one);
    if (isMapped) reading.zk.create("/dubbo/mapping/a.I", "app");
  }

  test.each(rights)(
    "of an application in a running session, without the right to %s",
    async (_, paths, isMapped) => {
      fill(isMapped);
      const observer = reading.read({ known: ["a.I"] });
      await reading.until(observer, (snapshot) => expect(addressesOf(snapshot, "a.I")).toHaveLength(1));
      for (const path of paths) reading.zk.setAcl(path, closed);
      await reading.pass(450_000); // until the next relist
      const snapshot = await reading.until(observer, ({ problems }) => expect(problems).not.toEqual([]));
      expect(snapshot.services.size).toBe(21);
      // Metadata that was read holds.
      const held = paths.includes("/dubbo/metadata/app/r1") ? [at1] : "unknown";
      expect(serviceOf(snapshot, "a.I")).toMatchObject({ instances: held });
      expect(addressesOf(snapshot, "b.S7")).toHaveLength(1);
    },
  );

  test.each(rights)(
    "of an application at a new session, without the right to %s",
    async (_, paths, isMapped) => {
      fill(isMapped);
      for (const path of paths) reading.zk.setAcl(path, closed);
      const observer = reading.read({ known: ["a.I"] });
      const snapshot = await reading.until(observer, (some) => expect(some.services.size).toBe(21));
      expect(instancesIn(snapshot, "a.I")).toBe("unknown");
      expect(snapshot.problems).not.toEqual([]);
      for (const path of paths) reading.zk.setAcl(path, open);
      const healed = await reading.until(observer, ({ problems }) => expect(problems).toEqual([]), 12_000);
      expect(addressesOf(healed, "a.I")).toEqual(["10.0.0.1:20880"]);
    },
  );

  test("metadata that is deleted while its revision lives holds, and is a problem", async () => {
    reading.zk.create("/dubbo/mapping/a.I", "orders,billing");
    const path = publish("orders", "r1", ["a.I"]);
    publish("billing", "r1", ["a.I"]);
    appear("orders", one);
    appear("billing", two);
    const observer = reading.read();
    const both = ["10.0.0.1:20880", "10.0.0.2:20880"];
    await reading.until(observer, (snapshot) => expect(addressesOf(snapshot, "a.I")).toEqual(both));
    reading.zk.delete(path);
    const held = await reading.until(observer, (snapshot) => expect(snapshot.problems).not.toEqual([]));
    expect(problemsOf(held)).toEqual([{ at: "orders", code: "Unreadable" }]);
    expect(addressesOf(held, "a.I")).toEqual(both);
    const fresh = await reading.until(reading.read(), () => {});
    expect(addressesOf(fresh, "a.I")).toEqual(["10.0.0.2:20880"]);
    expect(serviceOf(fresh, "a.I")).toMatchObject({ isPartial: true });
    publish("orders", "r1", ["a.I"]);
    const healed = await reading.until(observer, (snapshot) => expect(snapshot.problems).toEqual([]));
    expect(serviceOf(healed, "a.I")).not.toHaveProperty("isPartial");
  });

  test("one unreadable instance of two leaves the interface known in part", async () => {
    reading.zk.create("/dubbo/mapping/a.I", "app");
    publish("app", "r1", ["a.I"]);
    appear("app", one);
    const path = appear("app", two);
    reading.zk.setAcl(path, closed);
    const observer = reading.read();
    const snapshot = await reading.until(observer, (some) =>
      expect(addressesOf(some, "a.I")).toHaveLength(1),
    );
    expect(serviceOf(snapshot, "a.I")).toMatchObject({ isPartial: true });
    expect(problemsOf(snapshot)).toEqual([{ at: "app", code: "Unreadable" }]);
    reading.zk.setAcl(path, open);
    const healed = await reading.until(
      observer,
      (some) => expect(addressesOf(some, "a.I")).toHaveLength(2),
      6_000,
    );
    expect(serviceOf(healed, "a.I")).not.toHaveProperty("isPartial");
  });
});

describe("applications below a registry group", () => {
  test.each([
    ["/prod", "/prod"],
    ["/dubbo", "/dubbo"],
    ["/dubbo", "/services"],
    ["/services", "/services"],
  ])("with the root %s they are found below %s", async (root, home) => {
    publish("orders", "r1", ["a.I"], root);
    appear("orders", one, home);
    const observer = reading.read({ root });
    await reading.until(observer, (snapshot) =>
      expect(addressesOf(snapshot, "a.I")).toEqual(["10.0.0.1:20880"]),
    );
    reading.zk.delete(`${home}/orders`);
    await reading.until(observer, (snapshot) => expect(snapshot.services.size).toBe(0));
    appear("orders", two, home);
    const again = await reading.until(observer, (snapshot) =>
      expect(addressesOf(snapshot, "a.I")).toEqual(["10.0.0.2:20880"]),
    );
    expect(again.problems).toEqual([]);
  });

  test("those of another environment are not taken in, though they are of the same build", async () => {
    publish("orders", "r1", ["a.I"], "/prod");
    appear("orders", one, "/prod");
    publish("orders", "r1", ["a.I"]);
    appear("orders", { ...one, address: "10.9.9.9" });
    const snapshot = await reading.until(reading.read({ root: "/prod" }), () => {});
    expect(addressesOf(snapshot, "a.I")).toEqual(["10.0.0.1:20880"]);
  });

  test("an interface's directory is none, also where the hub does not want or may not read it", async () => {
    reading.zk.register("b.Other", ["dubbo://10.0.0.9:1/b.Other"]);
    reading.zk.register("b.Closed", ["dubbo://10.0.0.9:1/b.Closed"]);
    reading.zk.setAcl("/dubbo/b.Closed", closed);
    reading.zk.create("/dubbo/b.Consumed/consumers");
    const wants = (name: string): boolean => name.startsWith("a.");
    const snapshot = await reading.until(reading.read({ wants, known: ["a.Gone"] }), () => {});
    expect(snapshot).toMatchObject({ services: { size: 0 }, problems: [] });
  });
});

describe("a filter", () => {
  const wants = (name: string): boolean => name.startsWith("a.");

  test("does not make a provider look as if it registered its application only", async () => {
    reading.zk.create("/dubbo/mapping/a.Old", "orders");
    reading.zk.register("a.Old", []);
    reading.zk.register("b.Other", ["dubbo://10.0.0.1:20880/b.Other"]);
    appear("orders", { ...one, storage: "local" });
    const observer = reading.read({ wants });
    const snapshot = await reading.until(observer, () => {});
    expect(instancesIn(snapshot, "a.Old")).toEqual([]);
    expect(snapshot.problems).toEqual([]);
    reading.zk.deregister("b.Other", ["dubbo://10.0.0.1:20880/b.Other"]);
    const alone = await reading.until(observer, ({ problems }) => expect(problems).toHaveLength(1));
    expect(instancesIn(alone, "a.Old")).toBe("unknown");
  });

  test("has unwanted interfaces read only while they decide something", async () => {
    reading.zk.create("/dubbo/mapping/b.Other", "orders");
    reading.zk.register("b.Other", ["dubbo://10.0.0.1:20880/b.Other"]);
    appear("orders", { ...one, storage: "local" });
    await reading.until(reading.read({ wants }), () => {});
    expect(reading.zk.faults.reads()).not.toContain("/dubbo/b.Other/providers");
  });
});

test("a provider that changes from its application to an interface, while both are read, is in every snapshot", async () => {
  publish("app", "r1", ["a.I"]);
  const path = appear("app", one);
  const observer = reading.read();
  await reading.until(observer, (snapshot) =>
    expect(addressesOf(snapshot, "a.I")).toEqual(["10.0.0.1:20880"]),
  );
  const before = observer.snapshots.length;
  let isLate = false;
  reading.zk.faults.add((request) => {
    if (isLate || request.path !== "/services/app") return undefined;
    isLate = true;
    return { delayMs: 500 };
  });
  appear("app", two);
  await reading.pass(200);
  expect(isLate).toBe(true);
  reading.zk.register("a.I", ["dubbo://10.0.0.1:20880/a.I?interface=a.I"]);
  reading.zk.delete(path);
  await reading.pass(2_000);
  const seen = observer.snapshots.slice(before).map((snapshot) => addressesOf(snapshot, "a.I"));
  expect(seen).toEqual([["10.0.0.1:20880", "10.0.0.2:20880"]]);
});
