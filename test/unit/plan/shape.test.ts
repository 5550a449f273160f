import { describe, expect, test } from "vitest";
import type { Endpoint, EntryShape } from "../../../src/model/entry.ts";
import type { Protocol } from "../../../src/model/service.ts";
import { chooseShape, fits, protocolOf, toldUnless } from "../../../src/plan/shape.ts";
import { portNameOf } from "../../../src/translate/service-entry.ts";
import { endpointOf, springEndpointOf } from "../../support/model.ts";

const choose = (current: EntryShape | undefined, candidates: readonly Endpoint[]): EntryShape | undefined =>
  chooseShape(current, candidates, (one, port) => portNameOf(one.service.kind, one.protocol, port));
const grpc = (hostPort: string): Endpoint => endpointOf(hostPort, { protocol: "grpc" });

describe("a new entry", () => {
  test("takes the port that most instances use, the lowest of equals", () => {
    const ports = ["10.0.0.1:3", "10.0.0.2:2", "10.0.0.3:2"].map((hostPort) => endpointOf(hostPort));
    expect(choose(undefined, ports)?.port).toBe(2);
    expect(choose(undefined, ports.slice(0, 2))?.port).toBe(2);
    expect(choose(undefined, ports.slice(0, 2).toReversed())?.port).toBe(2);
  });

  test.each([
    ["dubbo", "tcp-metaprotocol-dubbo"],
    ["grpc", "grpc-tri"],
    ["http", "http-rest"],
  ] as const)("%s has the port name %s", (protocol, portName) => {
    const shape = choose(undefined, [endpointOf("10.0.0.1:20880", { protocol })]);
    expect(shape).toMatchObject({ protocol, portName, port: 20_880 });
  });

  test("of a Spring service on several ports has the one that most use, and its number as name", () => {
    const instances = ["10.0.0.1:9001", "10.0.0.2:9000", "10.0.0.3:9001"].map((hostPort) =>
      springEndpointOf(hostPort),
    );
    expect(choose(undefined, instances)).toMatchObject({ protocol: "tcp", port: 9001, portName: "9001" });
  });

  test("dubbo wins over tri, though fewer speak it", () => {
    const shape = choose(undefined, [grpc("10.0.0.1:1"), grpc("10.0.0.2:1"), endpointOf("10.0.0.3:9")]);
    expect(shape).toMatchObject({ protocol: "dubbo", port: 9 });
  });

  test("has none without candidates", () => {
    expect(choose(undefined, [])).toBeUndefined();
  });
});

describe("an entry that exists", () => {
  const current = choose(undefined, [endpointOf("10.0.0.1:20880")]);

  test.each([
    ["nothing is left", []],
    ["everybody moved to another port", ["10.0.0.1:1", "10.0.0.2:1"].map((hostPort) => endpointOf(hostPort))],
    ["one of many still fits", [grpc("10.0.0.1:1"), grpc("10.0.0.2:1"), endpointOf("10.0.0.9:7")]],
  ])("keeps its shape while %s", (_, candidates) => {
    expect(choose(current, candidates)).toBe(current);
  });

  test("of a Spring service keeps port and name when everybody moved to others", () => {
    const spring = choose(undefined, [springEndpointOf("10.0.0.1:9000")]);
    expect(choose(spring, [springEndpointOf("10.0.0.1:9001"), springEndpointOf("10.0.0.2:9002")])).toBe(
      spring,
    );
  });

  test("changes it when no instance fits any more", () => {
    expect(choose(current, [grpc("10.0.0.1:50052")])).toMatchObject({
      protocol: "grpc",
      port: 50_052,
      portName: "grpc-tri",
    });
  });

  test("Dubbo interfaces that differ in case are different services, Spring names are not", () => {
    const named = (kind: "dubbo" | "spring", name: string): Endpoint =>
      endpointOf("10.0.0.1:1", {
        service: { kind, name, serviceKey: "", originalName: "", registry: "", registryGroup: "" },
      });
    const shapeOf = (one: Endpoint): EntryShape => ({ ...one, portName: "" });
    expect(fits(named("dubbo", "a.b"), shapeOf(named("dubbo", "a.B")))).toBe(false);
    expect(fits(named("spring", "a"), shapeOf(named("spring", "A")))).toBe(true);
    expect(fits(named("spring", "a"), shapeOf(named("dubbo", "a")))).toBe(false);
  });

  test.each([
    ["g1", "g2", false],
    ["g1", "g1", true],
    ["g1", "", true],
    ["", "g1", true],
  ])("of one name in the groups %j and %j, the same is %j", (group, incumbent, isSame) => {
    const of = (one: string): Endpoint =>
      endpointOf("10.0.0.1:1", {
        service: {
          kind: "spring",
          name: "order",
          serviceKey: "",
          originalName: "",
          registry: "nacos",
          registryGroup: one,
        },
      });
    expect(fits(of(group), { ...of(incumbent), portName: "" })).toBe(isSame);
  });
});

describe("an entry that does not tell its exact service", () => {
  /** The endpoints that a service has, by the last number of their addresses. */
  const listed = (serviceKey: string, name: string, ...at: readonly number[]): readonly Endpoint[] => {
    const { service } = endpointOf("10.0.0.1:1");
    return at.map((last) => endpointOf(`10.0.0.${last}:1`, { service: { ...service, serviceKey, name } }));
  };
  const shapeOf = (one: Endpoint | undefined): EntryShape => {
    if (one === undefined) throw new Error("no endpoint");
    return { service: one.service, protocol: "dubbo", port: 1, portName: "" };
  };
  const untold = shapeOf(listed("", "demo.A", 1)[0]);
  const toldAs = (before: EntryShape, candidates: readonly Endpoint[], ...held: readonly number[]) =>
    chooseShape(
      before,
      candidates,
      () => "",
      held.map((last) => `10.0.0.${last}:1`),
    )?.service;
  const [a, b] = [listed("a/demo.A", "demo.A", 1, 2, 3), listed("b/demo.A", "demo.A", 4, 5)];

  test.each([
    ["the one that lists most of what the entry has", [1, 4, 5], "b/demo.A"],
    ["the first by name of those that list as much of it", [1, 4], "a/demo.A"],
    ["the first by name where none lists any of it", [9], "a/demo.A"],
  ])("is of %s, in whatever order they come", (_, held, owner) => {
    expect(toldAs(untold, [...a, ...b], ...held)?.serviceKey).toBe(owner);
    expect(toldAs(untold, [...b, ...a], ...held)?.serviceKey).toBe(owner);
  });

  test("is of no service of another name, and of none that does not tell it either", () => {
    const strange = listed("demo.B", "demo.B", 1, 2, 3);
    expect(toldAs(untold, [...strange, ...b], 1, 2, 3, 4)?.serviceKey).toBe("b/demo.A");
    expect(toldAs(untold, listed("", "demo.A", 1, 2), 1, 2)).toBe(untold.service);
  });

  test("gets its name back, though it tells its exact service", () => {
    const nameless = shapeOf(listed("a/demo.A", "", 1)[0]);
    expect(toldAs(nameless, a, 1)).toMatchObject({ name: "demo.A", serviceKey: "a/demo.A" });
  });

  test("that tells both stays as it is", () => {
    const both = shapeOf(a[0]);
    expect(toldAs(both, a, 1)).toBe(both.service);
  });

  test.each([
    [2, 1, ""],
    [3, 1, "a/demo.A"],
    [1, 1, ""],
    [0, 0, "a/demo.A"],
  ])("of %d endpoints that it has %d cannot be read: it is told as %j", (held, unread, serviceKey) => {
    const chosen = shapeOf(a[0]);
    expect(toldUnless(untold, chosen, { held, unread })).toEqual({
      ...chosen,
      service: { ...chosen.service, serviceKey },
    });
  });

  test("is told at once where there was no entry, or where it told", () => {
    const chosen = shapeOf(a[0]);
    const open = { held: 1, unread: 1 };
    expect([toldUnless(undefined, chosen, open), toldUnless(chosen, chosen, open)]).toEqual([chosen, chosen]);
  });
});

describe("the protocol of an entry", () => {
  const shapeOf = (one: Endpoint): EntryShape => ({ ...one, portName: "" });
  const dubbo = shapeOf(endpointOf("10.0.0.1:1"));
  const spring = shapeOf(springEndpointOf("10.0.0.1:1"));

  test.each<[string, EntryShape, readonly (Protocol | undefined)[], Protocol]>([
    ["of Dubbo is its own", dubbo, ["grpc"], "dubbo"],
    ["of Spring is what all its hubs say", spring, ["http", "http"], "http"],
    ["of Spring is its own while they differ", spring, ["http", "grpc"], "tcp"],
    ["of Spring is its own while one cannot say", spring, ["http", undefined], "tcp"],
    ["of Spring is its own while no hub contributes", spring, [], "tcp"],
  ])("%s", (_, shape, said, protocol) => {
    expect(protocolOf(shape, said)).toBe(protocol);
  });

  test("does not depend on the instances of a Spring service", () => {
    expect(fits(springEndpointOf("10.0.0.1:1"), { ...spring, protocol: "http" })).toBe(true);
  });
});
