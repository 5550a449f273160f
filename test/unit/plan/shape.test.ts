import { describe, expect, test } from "vitest";
import type { Endpoint, EntryShape } from "../../../src/model/entry.ts";
import { chooseShape, fits } from "../../../src/plan/shape.ts";
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
