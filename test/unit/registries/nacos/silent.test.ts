import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { FakeRequest } from "../../../fakes/nacos/script.ts";
import {
  host,
  metadataOf,
  process,
  type Stage,
  settle,
  startStageWithOrder,
  told,
  toldBy,
  type Watch,
} from "./stage.ts";

const asksFor =
  (...names: readonly string[]) =>
  ({ body }: FakeRequest): boolean =>
    names.includes(String(body.serviceName));
const silent = (count: number): readonly string[] => Array.from({ length: count }, (_, at) => `silent${at}`);

/** A server that answers for some things, and for others never. */
describe("a Nacos that is silent about some services", () => {
  let stage: Stage;
  beforeEach(async () => {
    stage = await startStageWithOrder();
  });
  afterEach(() => stage[Symbol.asyncDispose]());

  const opened = async (options: Parameters<Stage["watch"]>[0] = {}): Promise<Watch> => {
    const watch = stage.watch(options);
    await watch.until((one) => expect(told(one)).toMatchObject({ order: ["10.42.0.1"] }));
    return watch;
  };

  /** Changes `order` every half second; each time the change must be told without any time passing. */
  const expectChangesAtOnce = async (watch: Watch, steps: number): Promise<void> => {
    for (let step = 0; step < steps; step++) {
      const ip = `10.42.1.${step + 1}`;
      stage.nacos.deregister("order");
      stage.nacos.register("order", [host(ip)]);
      await watch.until((one) => expect(told(one).order).toEqual([ip]));
      stage.clock.advance(500);
      await settle(4);
    }
  };

  test("tells the changes of the others while a new one is waited for", async () => {
    const watch = await opened();
    stage.nacos.fault(asksFor("silent0"), "hang");
    stage.nacos.register("silent0", [host("10.42.0.9")]);
    await stage.pass(2_500); // a list names it
    expect(stage.nacos.count(asksFor("silent0"))).toBe(1);
    await expectChangesAtOnce(watch, 60);
    expect(toldBy(watch)).toEqual({ order: ["10.42.1.60"], silent0: "unknown" });
    stage.nacos.heal();
    await watch.within(30_000, (one) => expect(told(one).silent0).toEqual(["10.42.0.9"]));
  });

  test("tells them while lists, and verifications, are waited for", async () => {
    const watch = await opened();
    await stage.pass(45_000); // while the server's clients return, a list that is so late ends the watch
    stage.nacos.fault("ServiceListRequest", "hang", 2);
    await stage.pass(10_000);
    await expectChangesAtOnce(watch, 40);
    stage.nacos.fault(asksFor("order"), "hang");
    await stage.pass(15 * 60_000);
    await expectChangesAtOnce(watch, 40);
    expect(watch.isOver()).toBe(false);
  });

  test("tells them while metadata are asked for again that nobody answers", async () => {
    stage.nacos.register("shop", [process("10.42.0.5", "remote")]);
    const watch = await opened();
    stage.nacos.fault("ConfigQueryRequest", "hang");
    await stage.pass(2_500);
    await expectChangesAtOnce(watch, 60);
    stage.nacos.heal();
    stage.nacos.setConfig("shop", "r1", metadataOf("a.B"));
    await watch.within(30_000, (one) => expect(told(one)["a.B"]).toEqual(["10.42.0.5"]));
  });

  test.each([20, 45, 205])("takes each of %i for unknown, however many in a row", async (count) => {
    const names = silent(count);
    for (const name of names) stage.nacos.register(name, [host("10.42.0.9")]);
    stage.nacos.fault(asksFor(...names), "hang");
    const watch = stage.watch();
    const snapshot = await watch.within(16_000, (one) => expect(one.services.size).toBe(count + 1));
    expect(told(snapshot)).toEqual({
      order: ["10.42.0.1"],
      ...Object.fromEntries(names.map((name) => [name, "unknown"])),
    });
    const problems = [...snapshot.services.values()].flatMap((service) => service.problems);
    expect(problems).toHaveLength(count);
    expect(problems[0]).toMatchObject({
      at: "silent0",
      code: "Unreadable",
      detail: expect.stringContaining("the server gives no answer of use"),
    });
    await stage.pass(60_000);
    await expectChangesAtOnce(watch, 5);
    expect(watch.isOver()).toBe(false);
    stage.nacos.heal();
    await watch.within(240_000, (one) => expect(Object.values(told(one))).not.toContain("unknown"));
  });

  test("ends nothing when it answers for no service at all, and lists them", async () => {
    for (const name of silent(30)) stage.nacos.register(name, [host("10.42.0.9")]);
    const isOfService = ({ body }: FakeRequest): boolean => Boolean(body.serviceName);
    stage.nacos.fault(isOfService, "hang");
    const watch = stage.watch();
    await watch.within(16_000, (one) => expect(one.services.size).toBe(31));
    await stage.pass(120_000);
    expect(new Set(Object.values(toldBy(watch)))).toEqual(new Set(["unknown"]));
    expect(watch.isOver()).toBe(false);
  });

  test("asks again for silent ones without holding back the next list for long", async () => {
    const names = silent(205);
    for (const name of names) stage.nacos.register(name, [host("10.42.0.9")]);
    stage.nacos.fault(asksFor(...names), "hang");
    const watch = stage.watch();
    await watch.within(16_000, (one) => expect(one.services.size).toBe(206));
    await stage.pass(150_000);
    stage.nacos.register("stock", [host("10.42.0.2")]);
    await watch.within(25_000, (one) => expect(told(one).stock).toEqual(["10.42.0.2"]));
  });

  test("forgets one that it was silent about, and that turns out to be nobody's wish", async () => {
    const names = silent(25);
    for (const name of names) stage.nacos.register(name, [host("10.42.0.9")]);
    stage.nacos.fault(asksFor(...names), "hang");
    const watch = stage.watch({ wants: (name) => name === "order" });
    await watch.within(16_000, (one) => expect(told(one)).toEqual({ order: ["10.42.0.1"] }));
    await watch.within(16_000, (one) => expect(one.problems.length).toBe(0));
  });

  test("ends the watch when even the health check has no answer, and when no list has one", async () => {
    const first = await opened();
    await settle();
    stage.nacos.fault("Request", "hang");
    for (let ms = 0; ms < 11_250; ms += 250) {
      stage.clock.advance(250);
      await settle(4);
    }
    expect(first.isOver()).toBe(true);
    expect(await first.ended).toMatchObject({ code: "RegistryUnreachable" });
    stage.nacos.heal();
    const second = await opened();
    await stage.pass(40_000);
    stage.nacos.fault(({ type }) => type !== "HealthCheckRequest", "hang");
    await stage.pass(90_000);
    expect(second.isOver()).toBe(true);
    expect(await second.ended).toMatchObject({ code: "RegistryBadResponse" });
  });
});
