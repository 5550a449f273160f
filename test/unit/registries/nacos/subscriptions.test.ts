import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  metadataOf,
  process,
  provider,
  providersOf,
  type Stage,
  settle,
  startStage,
  told,
  toldBy,
} from "./stage.ts";

const host = { ip: "10.42.0.1", port: 8080 };

describe("subscriptions of Nacos", () => {
  let stage: Stage;
  beforeEach(async () => {
    stage = await startStage();
  });
  afterEach(() => stage[Symbol.asyncDispose]());

  test("every push is answered, and a lost subscription is made again", async () => {
    const { nacos } = stage;
    nacos.register("order", [host]);
    const watch = stage.watch();
    await watch.until((one) => expect(told(one)).toEqual({ order: ["10.42.0.1"] }));
    nacos.register("order", [{ ip: "10.42.0.2", port: 8080 }]);
    await watch.until((one) => expect(told(one)).toEqual({ order: ["10.42.0.1", "10.42.0.2"] }));
    await settle();
    const [client] = [...nacos.front.clients];
    expect(client?.unanswered.size).toBe(0);
    client?.subscribed.clear();
    await stage.pass(15 * 60_000);
    expect(nacos.subscribers("order")).toBe(1);
  });

  test("a service that returns while it is given up is not lost", async () => {
    const { nacos, clock } = stage;
    nacos.register("order", [host]);
    const watch = stage.watch();
    await watch.until((one) => expect(told(one)).toEqual({ order: ["10.42.0.1"] }));
    nacos.fault(({ body }) => body.subscribe === false, { delayMs: 1_500 });
    nacos.deregister("order");
    await watch.until((one) => expect(told(one)).toEqual({ order: [] }));
    const unsubscribed = () => nacos.count(({ body }) => body.subscribe === false);
    while (unsubscribed() === 0) await stage.pass(2_500); // the server forgets it, and a list lacks it
    nacos.register("order", [{ ip: "10.42.0.3", port: 8080 }]);
    await settle();
    clock.advance(1_500);
    await watch.until((one) => expect(told(one)).toEqual({ order: ["10.42.0.3"] }));
    await expect.poll(() => nacos.subscribers("order")).toBe(1);
  });

  test("a name without instances is asked for no more once a list lacks it", async () => {
    const { nacos } = stage;
    for (const name of ["order", "shop"]) nacos.register(name, [host]);
    nacos.deregister("shop");
    const watch = stage.watch({ wants: (name) => name === "order" });
    await watch.until((one) => expect(told(one)).toEqual({ order: ["10.42.0.1"] }));
    const asked = () => nacos.count(({ body }) => body.serviceName === "shop");
    const isListed = () => nacos.data.keys("public").some(({ name }) => name === "shop");
    await stage.pass(700); // so that the server does not forget it in the moment of a list
    while (isListed()) await stage.pass(500);
    const before = asked();
    expect(before).toBeGreaterThan(1);
    await stage.pass(30_000);
    expect(asked()).toBe(before);
  });

  test("a service that was ignored is looked at again", async () => {
    const { nacos } = stage;
    nacos.register("shop", [host]);
    nacos.register(providersOf("a.B"), [provider("a.B", "10.42.0.2")]);
    nacos.setConfig("shop", "r1", metadataOf("a.B"));
    const watch = stage.watch({ wants: (name) => name === "a.B" });
    await watch.until((one) => expect(told(one)).toEqual({ "a.B": ["10.42.0.2"] }));
    nacos.deregister("shop");
    nacos.register("shop", [process("10.42.0.3", "remote")]);
    await stage.pass(15 * 60_000);
    await watch.within(20_000, (one) => expect(told(one)).toEqual({ "a.B": ["10.42.0.2", "10.42.0.3"] }));
  });

  test.each([
    ["odd hosts", { name: "order", groupName: "DEFAULT_GROUP", hosts: 7 }, ["order"]],
    ["no name", { hosts: [] }, ["order", "stock"]],
    ["nothing", null, ["order", "stock"]],
  ])(
    "a push with %s costs no connection, and what it may be about is asked for again",
    async (_, info, names) => {
      const { nacos } = stage;
      for (const name of ["order", "stock"]) nacos.register(name, [host]);
      const watch = stage.watch();
      await watch.until((one) => expect(one.services.size).toBe(2));
      const asked = (name: string) =>
        nacos.count(({ body }) => body.serviceName === name && body.subscribe === true);
      const before = asked("order");
      nacos.front.push("NotifySubscriberRequest", { requestId: 7, serviceInfo: info });
      await watch.within(20_000, () => {
        for (const name of names) expect(asked(name)).toBe(before + 1);
      });
      expect(toldBy(watch)).toEqual({
        order: ["10.42.0.1"],
        stock: ["10.42.0.1"],
      });
    },
  );

  test("a push whose hosts are null has none", async () => {
    const { nacos } = stage;
    nacos.register("order", [host]);
    const watch = stage.watch();
    await watch.until((one) => expect(told(one)).toEqual({ order: ["10.42.0.1"] }));
    const serviceInfo = { name: "order", groupName: "DEFAULT_GROUP", hosts: null };
    nacos.front.push("NotifySubscriberRequest", { serviceInfo });
    await watch.until((one) => expect(told(one)).toEqual({ order: [] }));
  });

  test("a push that is no JSON costs no connection", async () => {
    const { nacos } = stage;
    nacos.register("order", [host]);
    const watch = stage.watch();
    await watch.until((one) => expect(told(one)).toEqual({ order: ["10.42.0.1"] }));
    nacos.front.push("NotifySubscriberRequest", "<html>");
    nacos.register("order", [{ ip: "10.42.0.2", port: 8080 }]);
    await watch.until((one) => expect(told(one)).toEqual({ order: ["10.42.0.1", "10.42.0.2"] }));
  });

  test("an application without processes is no plain service", async () => {
    const { nacos } = stage;
    nacos.register("shop", [process("10.42.0.1", "remote")]);
    nacos.setConfig("shop", "r1", metadataOf("a.B"));
    nacos.register("order", [host]);
    const watch = stage.watch();
    await watch.until((one) => expect(told(one)).toEqual({ "a.B": ["10.42.0.1"], order: ["10.42.0.1"] }));
    nacos.deregister("shop");
    nacos.deregister("order");
    await watch.until((one) => expect(told(one)).toEqual({ order: [] }));
  });
});
