import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeService, unreadableService } from "../../../../src/registries/zookeeper/decode.ts";

const name = "a.B";
const node = (url: string): string => encodeURIComponent(url);
const decode = (...nodes: readonly string[]) => decodeService(name, nodes);

describe("an interface from its provider nodes", () => {
  test("nobody is left", () => {
    expect(decode()).toEqual({ id: name, kind: "dubbo", name, instances: [], problems: [] });
  });

  test("sorted by address and port, whatever the order of the nodes", () => {
    const nodes = ["10.0.0.2:1", "10.0.0.1:20880", "10.0.0.1:9000"].map((at) => node(`dubbo://${at}/a.B`));
    const service = decode(...nodes);
    expect(service.instances).toMatchObject([
      { address: "10.0.0.1", port: 9_000 },
      { address: "10.0.0.1", port: 20_880 },
      { address: "10.0.0.2", port: 1 },
    ]);
    expect(decode(...nodes.toReversed())).toEqual(service);
  });

  test("one provider that is announced twice counts once", () => {
    const nodes = [1, 2].map((pid) => node(`dubbo://10.0.0.1:20880/a.B?pid=${pid}&timestamp=${pid}`));
    expect(decode(...nodes).instances).toHaveLength(1);
    expect(decode(nodes[1] ?? "")).toEqual(decode(...nodes));
  });

  test("versions, groups and protocols on one port are different instances", () => {
    const urls = [
      "dubbo://h:1/a.B?version=1",
      "dubbo://h:1/a.B?version=2",
      "dubbo://h:1/a.B?group=g",
      "tri://h:1/a.B?version=1",
    ];
    expect(decode(...urls.map(node)).instances).toHaveLength(4);
  });

  test("one bad node costs nobody else anything", () => {
    const service = decode(
      "dubbo%3A%2F%2F10.0.0.1%3A20880%2Fa.B%3Finterface%3Da.B%ZZ",
      "nonsense",
      node("dubbo://10.0.0.1:1/a.B"),
    );
    expect(service.instances).toHaveLength(1);
    expect(service.problems).toEqual([
      {
        at: "a.B dubbo%3A%2F%2F10.0.0.1%3A20880%2Fa.B",
        code: "BadUrl",
        detail: "the node's name has a malformed % escape",
        severity: "rejected",
      },
      { at: "a.B nonsense", code: "BadUrl", detail: "the node's name is not a URL", severity: "rejected" },
    ]);
  });

  test("a thousand tokens are one warning", () => {
    const nodes = Array.from({ length: 1_000 }, (_, port) =>
      node(`dubbo://10.0.0.1:${port}/a.B?token=t${port}`),
    );
    expect(decode(...nodes).problems).toMatchObject([{ at: "a.B", code: "TokenRequired" }]);
  });

  test.each([
    "dubbo%3A%2F%2Fuser%3As3cret%4010.0.0.1%3A1%2Fa.B%ZZ",
    "dubbo%3A%2F%2F10.0.0.1%3A1%2Fa.B%3Ftoken%3Ds3cret%ZZ",
    "dubbo%253A%252F%252F10.0.0.1%253A1%252Fa.B%253Ftoken%253Ds3cret",
    "dubbo%25253A%25252F%25252F10.0.0.1%25253Ftoken%25253Ds3cret",
    "dubbo%3A%2F%2F10.0.0.1%3A20880%252Fcom.acme.Foo%253Ftoken%253Ds3cret",
    "dubbo%3A%2F%2Fadmin%253As3cret%254010.0.0.1%3A20880%2Fa.B",
    "nonsense?token=s3cret",
    "nonsense&token=s3cret",
    "%3ftoken%3ds3cret%ZZ",
  ])("%s: what it hides is not told", (hostile) => {
    const service = decode(hostile);
    expect(service.problems).toMatchObject([{ code: "BadUrl" }]);
    expect(JSON.stringify(service)).not.toContain("s3cret");
  });

  test("an unreadable interface is unknown, not gone", () => {
    expect(unreadableService(name, "/dubbo/a.B/providers")).toMatchObject({
      instances: "unknown",
      problems: [{ at: name, code: "Unreadable", severity: "warning" }],
    });
  });

  test("law: decoding never throws, and does not depend on the order of the nodes", () => {
    const schemes = fc.constantFrom("dubbo", "tri", "rest", "consumer", "x y", "");
    const url = fc
      .tuple(schemes, fc.domain(), fc.integer({ min: -2, max: 70_000 }), fc.webQueryParameters())
      .map(([scheme, host, port, query]) => node(`${scheme}://${host}:${port}/a.B?${query}`));
    const nodes = fc.array(fc.oneof(url, fc.string(), fc.string({ unit: "binary" })), { maxLength: 20 });
    fc.assert(
      fc.property(nodes, (some) => {
        const service = decode(...some);
        expect(decode(...some.toReversed())).toEqual(service);
        const known = service.instances === "unknown" ? [] : service.instances;
        expect(known.length + service.problems.length).toBeLessThanOrEqual(2 * some.length);
        for (const one of known) expect(Number.isInteger(one.port)).toBe(true);
      }),
    );
  });
});
