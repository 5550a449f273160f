import { describe, expect, test } from "vitest";
import { entryOf, factsOf, routeFactsOf } from "../../../../src/translate/read-back/service-entry.ts";

const ours = { "app.kubernetes.io/managed-by": "registryhub", "hub.ecns.easystack.cn/ddf6610a": "" };
const by = { "ecns.easystack.cn/by": "ddf6610a" };

/** As JSON that has just been read, so that even `__proto__` is a key like any other. */
const stored = (spec: string, metadata: object = {}): never =>
  JSON.parse(
    `{"metadata":${JSON.stringify({ name: "x", namespace: "ns", labels: ours, ...metadata })},"spec":${spec}}`,
  ) as never;

describe("ports", () => {
  const readPorts = (ports: unknown) => routeFactsOf(stored(JSON.stringify({ ports }))).ports;

  test("without a protocol are TCP; without a name or a number, or with one that no socket has, are none", () => {
    const bad = [{ number: 1 }, { name: "a" }, { name: "a", number: 0 }, { name: "a", number: 65_536 }];
    const worse = [{ name: "a", number: 1.5 }, { name: "a", number: "1" }, { name: 1, number: 1 }, null, "a"];
    const good = { name: "b", number: 2 };
    expect(readPorts([...bad, ...worse, good])).toEqual([{ ...good, protocol: "tcp" }]);
  });

  test("that somebody gave a number that is none have the one that the endpoints still tell", () => {
    const endpoints = [{ address: "10.0.0.1", ports: { "9000": 9_000 } }];
    const spec = { hosts: ["a.ns"], ports: [{ name: "9000", number: 0 }], endpoints };
    expect(entryOf(stored(JSON.stringify(spec)))?.shape).toMatchObject({ port: 9_000, portName: "9000" });
  });
});

describe("endpoints", () => {
  const readEndpoints = (endpoints: string, portName = "9000") =>
    entryOf(
      stored(`{"hosts":["a.ns"],"ports":[{"name":"${portName}","number":9000}],"endpoints":${endpoints}}`),
    )?.endpoints;

  test.each(['{"network":"east"}', '{"address":""}', '{"address":7}', "null", '"10.0.0.2"', "[]"])(
    "without an address are none, and the rest is read: %s",
    (odd) => {
      const read = readEndpoints(`[${odd},{"address":"10.0.0.1"}]`);
      expect([...(read?.keys() ?? [])]).toEqual(["10.0.0.1:9000"]);
    },
  );

  test.each(["constructor", "__proto__", "toString"])(
    "are on the port that they name, whatever else an object inherits: %s",
    (portName) => {
      const read = readEndpoints(
        `[{"address":"10.0.0.1"},{"address":"10.0.0.2","ports":{"${portName}":9001}}]`,
        portName,
      );
      expect([...(read?.keys() ?? [])]).toEqual(["10.0.0.1:9000", "10.0.0.2:9001"]);
    },
  );

  test("keep labels of any name; values that are no texts are not there", () => {
    const labels = '{"__proto__":"p","constructor":"c","version":1,"application":"shop"}';
    const read = readEndpoints(`[{"address":"10.0.0.1","labels":${labels}}]`)?.get("10.0.0.1:9000");
    expect(Object.entries(read?.labels ?? {})).toEqual([
      ["__proto__", "p"],
      ["constructor", "c"],
      ["application", "shop"],
    ]);
  });

  test.each(['"heavy"', "1e400", "null"])("with a weight that is none have none: %s", (weight) => {
    const read = readEndpoints(`[{"address":"10.0.0.1","weight":${weight}}]`)?.get("10.0.0.1:9000");
    expect(read).not.toHaveProperty("weight");
  });
});

describe("facts", () => {
  test("of an object of ours that says nothing are empty, but for its name and its hubs", () => {
    expect(factsOf(stored("null"))).toEqual({
      name: "x",
      hosts: [],
      ips: [],
      ownership: "ours",
      precedence: "0 1  x",
      hubs: new Map([["ddf6610a", ""]]),
      vouched: new Map(),
      service: "",
      writtenAt: "",
    });
  });

  test("count the endpoints that a proxy could call", () => {
    const endpoints = [
      { address: "10.0.0.1", labels: by },
      { network: "east", labels: by },
    ];
    expect(factsOf(stored(JSON.stringify({ endpoints }))).vouched).toEqual(new Map([["ddf6610a", 1]]));
  });

  test.each([null, "none", [null, 7, { manager: "registryhub", time: 7 }]])(
    "of managedFields that say nothing of us: %j",
    (managedFields) => {
      expect(factsOf(stored("{}", { managedFields })).writtenAt).toBe("");
    },
  );
});
