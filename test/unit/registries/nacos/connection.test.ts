import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { encodePayload } from "../../../../src/registries/nacos/payload.ts";
import { frame } from "../../../fakes/nacos/grpc-front.ts";
import { startFakeNacos } from "../../../fakes/nacos/server.ts";
import { host, type Stage, settle, startStageWithOrder, told, type Watch } from "./stage.ts";

describe("a connection to Nacos", () => {
  let stage: Stage;
  beforeEach(async () => {
    stage = await startStageWithOrder();
  });
  afterEach(() => stage[Symbol.asyncDispose]());

  const opened = async (options: Parameters<Stage["watch"]>[0] = {}): Promise<Watch> => {
    const watch = stage.watch(options);
    await watch.until((one) => expect(told(one)).toEqual({ order: ["10.42.0.1"] }));
    return watch;
  };

  test("takes a message of 15 MiB at once, and costs no more by the byte than one of 5", async () => {
    const watch = await opened();
    /** Processor time of both sides. */
    async function costOf(mebibytes: number, ip: string): Promise<number> {
      const serviceInfo = {
        name: "order",
        groupName: "DEFAULT_GROUP",
        hosts: [{ ...host(ip), metadata: { large: "x".repeat(mebibytes * 1024 * 1024) } }],
      };
      const before = process.threadCpuUsage();
      stage.nacos.front.push("NotifySubscriberRequest", { serviceInfo });
      await watch.until((one) => expect(told(one)).toEqual({ order: [ip] }));
      const { user, system } = process.threadCpuUsage(before);
      return user + system;
    }
    const small = await costOf(5, "10.42.0.2");
    expect(await costOf(15, "10.42.0.3")).toBeLessThan(6 * small); // 9 times, where each piece copies what has come
  });

  test("is not for messages that no server sends", async () => {
    const watch = await opened();
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(17 * 1024 * 1024, 1);
    stage.nacos.front.pushFrame(prefix);
    expect(await watch.ended).toMatchObject({ code: "RegistryBadResponse" });
  });

  test("takes messages that come in pieces, and several at once", async () => {
    const watch = await opened();
    const body = (ip: string) =>
      JSON.stringify({ serviceInfo: { name: "order", groupName: "DEFAULT_GROUP", hosts: [host(ip)] } });
    const one = (ip: string) => frame(encodePayload({ type: "NotifySubscriberRequest", body: body(ip) }));
    for (const byte of one("10.42.0.2")) stage.nacos.front.pushFrame(Buffer.from([byte]));
    await watch.until((it) => expect(told(it)).toEqual({ order: ["10.42.0.2"] }));
    stage.nacos.front.pushFrame(Buffer.concat([one("10.42.0.3"), one("10.42.0.4")]));
    await watch.until((it) => expect(told(it)).toEqual({ order: ["10.42.0.4"] }));
  });

  test("survives a pause of 4 s on either side, at any moment of a health check", async () => {
    const watch = await opened();
    for (let shiftMs = 0; shiftMs < 5_000; shiftMs += 500) {
      await stage.pass(5_000 + shiftMs);
      stage.nacos.front.freeze();
      for (let ms = 0; ms < 4_000; ms += 250) {
        stage.clock.advance(250);
        await settle(3);
      }
      stage.nacos.front.resume();
      await settle();
      stage.clock.advance(10_000); // this process got no time: every timer is due at once, and the answers lie in the socket
      await settle();
    }
    expect(watch.isOver()).toBe(false);
    expect(stage.nacos.connections).toBe(1);
  });

  test("ends within 11 s when the server freezes", async () => {
    const watch = await opened();
    await settle();
    stage.nacos.front.freeze();
    for (let ms = 0; ms < 11_000 + 250; ms += 250) {
      stage.clock.advance(250);
      await settle(4);
    }
    expect(watch.isOver()).toBe(true);
    expect(await watch.ended).toMatchObject({
      code: "RegistryUnreachable",
      detail: expect.stringContaining("no answer within 3 s"),
    });
  });

  test.each([
    ["is ended in good order", (it: Stage) => it.nacos.front.endStreams()],
    ["is ended by a proxy", (it: Stage) => it.nacos.front.endStreams(14)],
    ["is given up", (it: Stage) => it.nacos.front.goAway()],
    ["breaks", (it: Stage) => it.nacos.front.cut()],
    ["shall be made anew", (it: Stage) => it.nacos.resetClients()],
  ])("that %s ends the watch at once", async (_, end) => {
    const watch = await opened();
    end(stage);
    expect(await watch.ended).toMatchObject({ code: "RegistryUnreachable" });
    await expect.poll(() => stage.nacos.connections).toBe(0);
  });

  test.each([
    ["gRPC UNAVAILABLE", { grpcStatus: 14 }, "RegistryUnreachable"],
    ["gRPC RESOURCE_EXHAUSTED", { grpcStatus: 8 }, "RegistryUnreachable"],
    ["gRPC DEADLINE_EXCEEDED", { grpcStatus: 4 }, "RegistryUnreachable"],
    ["gRPC UNIMPLEMENTED", { grpcStatus: 12 }, "RegistryBadResponse"],
    ["HTTP 429", { status: 429 }, "RegistryUnreachable"],
    ["HTTP 502", { status: 502 }, "RegistryUnreachable"],
    ["HTTP 503", { status: 503 }, "RegistryUnreachable"],
    ["HTTP 504", { status: 504 }, "RegistryUnreachable"],
    ["HTTP 404", { status: 404 }, "RegistryBadResponse"],
    ["HTML", { status: 200, contentType: "text/html" }, "RegistryBadResponse"],
  ] as const)("that is answered with %s is %j", async (_, reaction, code) => {
    stage.nacos.fault("ServerCheckRequest", reaction);
    const error = await stage.watch().ended;
    expect(error).toMatchObject({ code });
    expect(String(error)).toContain(
      code === "RegistryBadResponse"
        ? "is not a Nacos server"
        : "the server, or a proxy before it, is not ready",
    );
  });

  test("names the port that it goes to, and its own address", async () => {
    await opened();
    const [client] = [...stage.nacos.front.clients];
    expect(client?.authority).toBe(`http://127.0.0.1:${stage.nacos.port + 1_000}`);
    expect(client?.clientIp).toBe("127.0.0.1");
  });

  test("is made to the next server, or to the next address, when one is silent or starts", async () => {
    const { nacos, clock } = stage;
    await using other = await startFakeNacos({ clock });
    other.front.freeze();
    const silent = stage.watch({ address: `${other.address},${nacos.address}` });
    await silent.within(20_000, (one) => expect(told(one)).toEqual({ order: ["10.42.0.1"] }));
    other.front.resume();
    other.front.isStarting = true;
    const starting = stage.watch({ address: `${other.address},${nacos.address}` });
    await starting.until((one) => expect(told(one)).toEqual({ order: ["10.42.0.1"] }));
  });

  test("is not ended by one that was tried before it", async () => {
    const { nacos, clock } = stage;
    await using other = await startFakeNacos({ clock, version: "3.1" });
    other.fault("NamingFuzzyWatchRequest", "cut"); // it has shaken hands
    const watch = stage.watch({ address: `${other.address},${nacos.address}`, groups: [] });
    await watch.until((one) => expect(told(one)).toEqual({ order: ["10.42.0.1"] }));
    nacos.register("order", [host("10.42.0.2")]);
    await watch.until((one) => expect(told(one)).toEqual({ order: ["10.42.0.1", "10.42.0.2"] }));
    expect(watch.isOver()).toBe(false);
  });
});
