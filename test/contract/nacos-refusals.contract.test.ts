import { describe, expect, test } from "vitest";
import type { Snapshot } from "../../src/model/service.ts";
import type { NacosInstance } from "../bed/nacos-agent.ts";
import type { NacosUser, NacosVersion } from "../bed/nacos-api.ts";
import { providerOf, providersOf } from "../support/nacos-dubbo.ts";
import { DEFAULT_GROUP, useNacos } from "./nacos-harness.ts";
import { addressesOf, firstSnapshot, observe, serviceOf } from "./observe.ts";

const a = { address: "10.42.0.1", port: 20_880 };
const order: NacosInstance = { ip: "10.42.0.1", port: 8080 };

/** A process of an application of Dubbo 3. */
const processOf = (ip: string, storage: "local" | "remote", revision: string): NacosInstance => ({
  ip,
  port: 20_881,
  metadata: { "dubbo.metadata.revision": revision, "dubbo.metadata.storage-type": storage },
});
const metadataOf = (name: string): string =>
  JSON.stringify({
    app: "shop",
    services: { [`${name}::dubbo`]: { name, protocol: "dubbo", port: 20_881, params: { side: "provider" } } },
  });
const instancesIn = (snapshot: Snapshot, name: string) => serviceOf(snapshot, name).instances;

describe.each(["2.3", "3.1"] satisfies NacosVersion[])("Nacos %s: what it refuses", (version) => {
  const nacos = useNacos(version);

  test("odd registrations cost nobody else anything", async () => {
    await nacos.put("shop", [processOf("10.42.0.2", "remote", "r/1")]);
    await nacos.put("shop/eu", [processOf("10.42.0.3", "remote", "r1")]);
    await nacos.put(providersOf("with/slash"), [providerOf("with/slash", a)]);
    await nacos.put("order", [order]);
    await using observer = observe(nacos.reader());
    await observer.until((one) => {
      expect(addressesOf(one, "order")).toEqual(["10.42.0.1:8080"]);
      expect(one.problems).toMatchObject([
        { at: "shop", code: "Unreadable" },
        { at: "shop/eu", code: "Unreadable" },
        { at: "mapping", code: "Unreadable" },
      ]);
    });
    await nacos
      .connection()
      .deregister(providersOf("with/slash"), DEFAULT_GROUP, [providerOf("with/slash", a)]);
    await observer.until((one) => expect(instancesIn(one, "with/slash")).toBe("unknown"));
    await nacos.put("order", [{ ...order, ip: "10.42.0.4" }]);
    await observer.until((one) => expect(addressesOf(one, "order")).toHaveLength(2));
    expect(observer.isOver()).toBe(false);
  });

  test("metadata that are written while they are read cost nobody anything", async () => {
    const { connection } = nacos;
    await connection().publishConfig("shop", "r1", metadataOf("a.B"));
    await nacos.put("shop", [processOf("10.42.1.1", "remote", "r1")]);
    await using observer = observe(nacos.reader());
    await observer.until((one) => expect(instancesIn(one, "a.B")).toHaveLength(1));
    for (let at = 2; at <= 40; at++) {
      const writes = [1, 2, 3].map((nth) =>
        connection().publishConfig("shop", "r1", metadataOf(nth < 3 ? `a.B${nth}` : "a.B")),
      );
      await Promise.all([...writes, nacos.put("shop", [processOf(`10.42.1.${at}`, "remote", "r1")])]);
    }
    await connection().publishConfig("shop", "r1", metadataOf("a.B"));
    await nacos.put("shop", [processOf("10.42.1.41", "remote", "r1")]);
    await observer.until((one) => expect(instancesIn(one, "a.B")).toHaveLength(41), 15_000);
    expect(observer.isOver()).toBe(false);
  });

  test("an account that may not read configurations does not take them for none", async () => {
    const narrow: NacosUser = { username: `narrow-${nacos.namespace()}`, password: "of-the-test" };
    const resource = `${nacos.namespace()}:${DEFAULT_GROUP}:naming/*`;
    await nacos.server.createUser(narrow, [{ resource, action: "r" }]);
    await nacos.connection().publishConfig("shop", "r1", metadataOf("a.B"));
    await nacos.put("shop", [processOf("10.42.0.2", "remote", "r1")]);
    await nacos.put(providersOf("a.B"), [providerOf("a.B", a)]);
    await using observer = observe(nacos.reader({ credentials: narrow }));
    await observer.until((one) => {
      expect(serviceOf(one, "a.B")).toMatchObject({ isPartial: true, instances: [{ address: "10.42.0.1" }] });
      expect(one.problems).toMatchObject([{ at: "shop", code: "Unreadable" }, { at: "mapping" }]);
    });
    await nacos.connection().deregister(providersOf("a.B"), DEFAULT_GROUP, [providerOf("a.B", a)]);
    await observer.until((one) => expect(instancesIn(one, "a.B")).toBe("unknown"));
    const again = await firstSnapshot(nacos.reader({ credentials: narrow, known: () => ["a.C"] }));
    expect(instancesIn(again, "a.C")).toBe("unknown");
    const whole = await firstSnapshot(nacos.reader({ known: () => ["a.C"] }));
    expect([...whole.services.values()].map(({ name }) => name)).toEqual(["a.B"]);
    expect(addressesOf(whole, "a.B")).toEqual(["10.42.0.2:20881"]);
  });

  test("2,000 services of all groups: a change is seen soon, and a pause of 4 s costs no connection", async () => {
    const names = Array.from({ length: 2_000 }, (_, at) => `org.example.Service${at}`);
    const group = (at: number): string => `team-${at % 4}`;
    const instances = (name: string) =>
      [1, 2, 3, 4, 5].map((n) => providerOf(name, { address: `10.42.1.${n}`, port: 20_880 }));
    for (let from = 0; from < names.length; from += 50)
      await Promise.all(
        names
          .slice(from, from + 50)
          .map((name, at) => nacos.put(providersOf(name), instances(name), group(from + at))),
      );
    const began = performance.now();
    await using observer = observe(nacos.reader({ groups: [] }));
    const first = await observer.until((one) => expect(one.services.size).toBe(2_000), 60_000);
    const listedMs = performance.now() - began;
    for (const service of first.services.values()) expect(service.instances).toHaveLength(5);
    expect(first.problems).toEqual([]);
    const { accepted } = nacos.proxy;
    const seenMs: number[] = [];
    const change = async (at: number): Promise<void> => {
      const since = performance.now();
      await nacos.put(providersOf(names[at] ?? ""), [providerOf(names[at] ?? "", a)], group(at));
      await observer.until((one) => expect(instancesIn(one, names[at] ?? "")).toHaveLength(6));
      seenMs.push(Math.round(performance.now() - since));
    };
    for (let at = 0; at < 10; at++) await change(at);
    for (let pause = 0; pause < 3; pause++) {
      nacos.server.freeze();
      await new Promise((resolve) => setTimeout(resolve, 4_000)); // the pause is what is tested
      nacos.server.resume();
      await change(100 + pause);
    }
    await nacos.put(providersOf("org.example.New"), instances("org.example.New"), "team-new");
    await observer.until((one) => expect(one.services.size).toBe(2_001), 15_000);
    expect(observer.isOver()).toBe(false);
    expect(nacos.proxy.accepted).toBe(accepted);
    process.stdout.write(
      `Nacos ${version}: 2,000 services listed in ${Math.round(listedMs)} ms; changes seen after ${seenMs.join(", ")} ms\n`,
    );
  });
});
