import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  metadataOf,
  process,
  provider,
  providersOf,
  type ReaderOptions,
  type Stage,
  settle,
  startStage,
  told,
  toldBy,
} from "./stage.ts";

describe("what a Nacos does not let be read", () => {
  let stage: Stage;
  beforeEach(async () => {
    stage = await startStage();
  });
  afterEach(() => stage[Symbol.asyncDispose]());

  test("an interface that an application hides is unknown, also after a reconnect", async () => {
    const { nacos } = stage;
    nacos.register("shop", [process("10.42.0.1", "local")]);
    nacos.setConfig("a.B", "mapping", "shop");
    nacos.register(providersOf("a.B"), [provider("a.B", "10.42.0.2")]);
    const first = stage.watch();
    await first.until((one) => expect(told(one)).toEqual({ "a.B": ["10.42.0.2"] }));
    nacos.deregister(providersOf("a.B"));
    await first.until((one) => expect(told(one)).toEqual({ "a.B": "unknown" }));
    await stage.pass(90_000); // the server forgets the name
    expect(toldBy(first)).toEqual({ "a.B": "unknown" });
    nacos.resetClients();
    expect(await first.ended).toMatchObject({ code: "RegistryUnreachable" });
    const next = stage.watch({ known: () => ["a.B", "order"] });
    const snapshot = await next.until((one) => expect(told(one)).toEqual({ "a.B": "unknown" }));
    expect(snapshot.problems).toMatchObject([
      { at: "shop", code: "ApplicationLevelOnly", detail: expect.stringContaining("serves a.B, but") },
    ]);
  });

  test("an interface that nobody claims any more is gone, and not asked for again and again", async () => {
    const { nacos } = stage;
    nacos.register("shop", [process("10.42.0.1", "local")]);
    for (let at = 0; at < 50; at++)
      nacos.register(providersOf(`a.S${at}`), [provider(`a.S${at}`, "10.42.0.2")]);
    const watch = stage.watch();
    await watch.until((one) => expect(one.services.size).toBe(50));
    for (let at = 0; at < 50; at++) nacos.deregister(providersOf(`a.S${at}`));
    await watch.within(100_000, (one) => expect(told(one)).toEqual({}));
    const before = nacos.count(({ type, body }) => type === "ConfigQueryRequest" && body.group === "mapping");
    await stage.pass(30_000);
    expect(watch.isOver()).toBe(false);
    expect(nacos.count(({ type, body }) => type === "ConfigQueryRequest" && body.group === "mapping")).toBe(
      before,
    );
  });

  test("configurations that may not be read are not taken for none", async () => {
    const { nacos } = stage;
    nacos.fault("ConfigQueryRequest", {
      refuse: 403,
      message: "authorization failed!",
      type: "ConfigQueryResponse",
    });
    nacos.register("shop", [process("10.42.0.1", "remote")]);
    nacos.register(providersOf("a.B"), [provider("a.B", "10.42.0.2")]);
    const watch = stage.watch();
    const first = await watch.until((one) => expect(told(one)).toEqual({ "a.B": ["10.42.0.2", "+"] }));
    expect(first.problems).toMatchObject([
      { at: "shop", code: "Unreadable" },
      { at: "mapping", code: "Unreadable", detail: expect.stringContaining("read of the configurations") },
    ]);
    nacos.deregister(providersOf("a.B"));
    await watch.until((one) => expect(told(one)).toEqual({ "a.B": "unknown" }));
    await watch.within(90_000, (one) => expect([...one.services.keys()]).toEqual(["DEFAULT_GROUP@@a.B"]));
    const next = stage.watch({ known: () => ["a.B"] });
    await next.until((one) => expect(told(one)).toEqual({ "a.B": "unknown" }));
  });

  test("a mapping that may be read again is", async () => {
    const { nacos } = stage;
    nacos.fault(({ body }) => body.group === "mapping", { refuse: 403, type: "ConfigQueryResponse" });
    nacos.register("shop", [process("10.42.0.1", "remote")]); // its metadata are missing
    nacos.register(providersOf("a.B"), [provider("a.B", "10.42.0.2")]);
    const watch = stage.watch();
    await watch.until((one) => expect(told(one)).toEqual({ "a.B": ["10.42.0.2", "+"] }));
    nacos.heal();
    const snapshot = await watch.within(20_000, (one) => expect(told(one)).toEqual({ "a.B": ["10.42.0.2"] }));
    expect(snapshot.problems).toMatchObject([{ at: "shop", code: "ApplicationLevelOnly" }]);
  });

  test("what an application served stays while its metadata cannot be read, and is partial after a reconnect", async () => {
    const { nacos } = stage;
    nacos.register("shop", [process("10.42.0.1", "remote")]);
    nacos.setConfig("shop", "r1", metadataOf("a.B"));
    nacos.setConfig("a.B", "mapping", "shop");
    nacos.register(providersOf("a.B"), [provider("a.B", "10.42.0.2")]);
    const watch = stage.watch();
    await watch.until((one) => expect(told(one)).toEqual({ "a.B": ["10.42.0.1", "10.42.0.2"] }));
    nacos.setConfig("shop", "r1", undefined);
    nacos.register("shop", [process("10.42.0.3", "remote")]); // another process: the metadata are read again
    await watch.until((one) => expect(told(one)).toEqual({ "a.B": ["10.42.0.1", "10.42.0.2", "10.42.0.3"] }));
    await stage.watch().until((one) => expect(told(one)).toEqual({ "a.B": ["10.42.0.2", "+"] }));
  });

  test("a service that may not be read may be an application that serves what is missing", async () => {
    const { nacos } = stage;
    nacos.register("shop", [process("10.42.0.1", "remote")]);
    nacos.setConfig("a.B", "mapping", "shop");
    nacos.fault(({ body }) => body.serviceName === "shop", { refuse: 403, message: "authorization failed!" });
    const watch = stage.watch({ known: () => ["a.B"], wants: (name) => name === "a.B" });
    await watch.until((one) => expect(told(one)).toEqual({ "a.B": "unknown" }));
    nacos.heal();
    nacos.setConfig("shop", "r1", metadataOf("a.B"));
    await watch.within(20_000, (one) => expect(told(one)).toEqual({ "a.B": ["10.42.0.1"] }));
  });

  describe("of an application whose interface nobody wrote a mapping for is unknown,", () => {
    const forbidden = { refuse: 403, message: "authorization failed!" };
    beforeEach(() => {
      stage.nacos.register("shop", [process("10.42.0.1", "remote")]);
      stage.nacos.setConfig("shop", "r1", metadataOf("a.B"));
    });

    test("as its interface is, when the right to the application is taken away", async () => {
      const { nacos } = stage;
      const wants = (name: string) => name !== "shop";
      const watch = stage.watch({ wants });
      await watch.until((one) => expect(told(one)).toEqual({ "a.B": ["10.42.0.1"] }));
      nacos.fault(({ body }) => body.serviceName === "shop", forbidden);
      await stage.pass(16 * 60_000); // the subscription is verified
      expect(toldBy(watch)).toEqual({ "a.B": "unknown" });
      expect(watch.snapshots.at(-1)?.problems).toMatchObject([{ at: "shop", code: "Unreadable" }]);
      const next = stage.watch({ wants, known: () => ["a.B"] });
      await next.until((one) => expect(told(one)).toEqual({ "a.B": "unknown" }));
      nacos.heal();
      await next.within(20_000, (one) => expect(told(one)).toEqual({ "a.B": ["10.42.0.1"] }));
    });

    test("while only its metadata may not be read, at a new connection", async () => {
      const { nacos } = stage;
      const isMetadata = ({ body }: { body: Readonly<Record<string, unknown>> }) => body.dataId === "shop";
      nacos.fault(isMetadata, { ...forbidden, type: "ConfigQueryResponse" });
      const watch = stage.watch({ known: () => ["a.B"] });
      const snapshot = await watch.until((one) => expect(told(one)).toEqual({ "a.B": "unknown" }));
      expect(snapshot.problems).toMatchObject([{ at: "shop", code: "Unreadable" }]);
    });
  });

  describe("is unknown and ends nothing:", () => {
    const odd: readonly [string, number][] = [
      ["no right", 403],
      ["a name that today's rules refuse", 400],
      ["too many requests", 503],
      ["an exception of the server", 500],
    ];
    test.each(odd)("one service, for %s", async (_, refuse) => {
      const { nacos } = stage;
      for (const name of ["order", "stock"]) nacos.register(name, [{ ip: "10.42.0.1", port: 8080 }]);
      nacos.register(providersOf("a.B"), [provider("a.B", "10.42.0.2")]);
      nacos.fault(({ body }) => body.serviceName === "order" || body.serviceName === providersOf("a.B"), {
        refuse,
      });
      const watch = stage.watch();
      const expected = { order: "unknown", stock: ["10.42.0.1"], "a.B": "unknown" };
      const snapshot = await watch.until((one) => expect(told(one)).toEqual(expected));
      const problems = [...snapshot.services.values()].flatMap((service) => service.problems);
      expect(problems).toMatchObject([{ code: "Unreadable" }, { code: "Unreadable" }]);
      expect(problems[0]?.detail).toContain(refuse === 403 ? "may not read" : `(error ${refuse})`);
      nacos.heal();
      await watch.within(20_000, (one) => expect(Object.values(told(one))).not.toContain("unknown"));
      expect(watch.isOver()).toBe(false);
    });

    test.each(["r/1", "r 1", "r".repeat(200)])("an application whose revision is %j", async (revision) => {
      const { nacos } = stage;
      nacos.register("shop", [process("10.42.0.1", "remote", revision)]);
      nacos.register("shop/eu", [process("10.42.0.3", "remote")]);
      nacos.setConfig("a.B", "mapping", "shop");
      nacos.register("order", [{ ip: "10.42.0.2", port: 8080 }]);
      const watch = stage.watch({ known: () => ["a.B"] });
      const snapshot = await watch.until((one) =>
        expect(told(one)).toEqual({ "a.B": "unknown", order: ["10.42.0.2"] }),
      );
      expect(snapshot.problems).toMatchObject([{ at: "shop", code: "Unreadable" }]);
    });

    test.each(["org.example.Ünïcode", "50%", "with/slash"])("an interface called %s", async (name) => {
      const { nacos } = stage;
      nacos.register("shop", [process("10.42.0.1", "local")]);
      nacos.register(providersOf(name), [provider(name, "10.42.0.2")]);
      const watch = stage.watch();
      await watch.until((one) => expect(told(one)).toEqual({ [name]: ["10.42.0.2"] }));
      nacos.deregister(providersOf(name));
      await watch.within(90_000, (one) => expect(told(one)).toEqual({ [name]: "unknown" }));
    });

    test("metadata that are being written", async () => {
      const { nacos } = stage;
      nacos.register("shop", [process("10.42.0.1", "remote")]);
      nacos.setConfig("shop", "r1", metadataOf("a.B"));
      const watch = stage.watch();
      await watch.until((one) => expect(told(one)).toEqual({ "a.B": ["10.42.0.1"] }));
      const conflict = { refuse: 400, message: "requested file is being modified, please try later." };
      nacos.fault("ConfigQueryRequest", { ...conflict, type: "ConfigQueryResponse" }, 1);
      nacos.register("shop", [process("10.42.0.2", "remote")]);
      await watch.until((one) => expect(told(one)).toEqual({ "a.B": ["10.42.0.1", "10.42.0.2"] }));
      const asked = nacos.count("ConfigQueryRequest");
      nacos.setConfig("shop", "r1", metadataOf("a.B", "a.C"));
      await watch.within(20_000, (one) => expect(told(one)["a.C"]).toEqual(["10.42.0.1", "10.42.0.2"]));
      expect(nacos.count("ConfigQueryRequest")).toBe(asked + 1);
    });

    test.each([
      ["none", "hang"],
      ["that is no JSON", { answer: "<html>" }],
      ["of another form", { answer: { resultCode: 200, serviceInfo: { hosts: 7 } } }],
      ["without a service", { answer: { resultCode: 200 } }],
      ["that is no message", { message: Buffer.from([0xff, 0xff, 0xff]) }],
      ["that is too large for the server", { grpcStatus: 8 }],
      ["cut off", "reset"],
    ] as const)("one service with an answer %s", async (_, reaction) => {
      const { nacos } = stage;
      for (const name of ["order", "stock"]) nacos.register(name, [{ ip: "10.42.0.1", port: 8080 }]);
      nacos.fault(({ body }) => body.serviceName === "order", reaction);
      const watch = stage.watch();
      await watch.within(30_000, (one) =>
        expect(told(one)).toEqual({ order: "unknown", stock: ["10.42.0.1"] }),
      );
    });
  });

  test("what the server says is not repeated, however long", async () => {
    const { nacos } = stage;
    nacos.register("order", [{ ip: "10.42.0.1", port: 8080 }]);
    const message = `connection 1795255828049_127.0.0.1: ${"x".repeat(3_000_000)}`;
    nacos.fault("ServiceListRequest", { refuse: 500, message });
    const error = await stage.watch().ended;
    expect(error).toMatchObject({ code: "RegistryUnreachable" });
    expect(String(error).length).toBeLessThan(400);
    expect(String(error)).not.toContain("1795255828049");
  });

  describe("and is granted later", () => {
    const wanted: ReaderOptions[] = [{}, { wants: (name) => name !== "s0" }];
    test.each(wanted)("is subscribed, however it was read again: %j", async (options) => {
      const { nacos, clock } = stage;
      const names = Array.from({ length: 205 }, (_, at) => `s${at}`);
      for (const name of names) nacos.register(name, [{ ip: "10.42.0.1", port: 8080 }]);
      nacos.fault(({ body }) => String(body.serviceName).startsWith("s"), {
        refuse: 403,
        message: "authorization failed!",
      });
      const watch = stage.watch(options);
      await watch.until((one) => expect(Object.values(told(one)).every((it) => it === "unknown")).toBe(true));
      expect(nacos.count(({ body }) => String(body.serviceName).startsWith("s"))).toBe(205);
      nacos.heal();
      clock.advance(2_500); // a list
      await settle(300);
      await stage.pass(15 * 60_000); // and a verification
      await watch.within(60_000, (one) => expect(Object.values(told(one))).not.toContain("unknown"));
      await settle();
      for (const name of names.slice(1)) expect(nacos.subscribers(name)).toBe(1);
    });
  });
});
