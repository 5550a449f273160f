import { describe, expect, test } from "vitest";
import { chooseVip, keepsVip, type VipHolder, vipPool } from "../../../src/plan/vip.ts";

const greetingHost = "org.apache.dubbo.samples.api.greetingservice-1.0.0.dubbozk";
const pool = vipPool("240.241.0.0/16");
const free = (): boolean => false;

describe("the pool", () => {
  test.each([
    ["240.241.0.0/16", 256 * 254, "240.241.0.1", "240.241.255.254"],
    ["240.241.17.0/24", 254, "240.241.17.1", "240.241.17.254"],
    ["10.0.0.0/8", 65_536 * 254, "10.0.0.1", "10.255.255.254"],
    ["240.241.0.0/30", 3, "240.241.0.1", "240.241.0.3"],
    ["240.241.0.252/30", 3, "240.241.0.252", "240.241.0.254"],
    ["240.241.0.128/25", 127, "240.241.0.128", "240.241.0.254"],
  ])("%s has %d addresses, %s to %s", (cidr, size, first, last) => {
    const some = vipPool(cidr);
    expect([some.size, some.at(0), some.at(size - 1)]).toEqual([size, first, last]);
  });

  test("skips .255 and .0 between two blocks", () => {
    expect([pool.at(253), pool.at(254)]).toEqual(["240.241.0.254", "240.241.1.1"]);
  });

  test.each([
    ["", "not an IPv4 network"],
    ["240.241.0.0", "not an IPv4 network"],
    ["240.241.0.0/31", "not an IPv4 network"],
    ["240.0.0.0/7", "not an IPv4 network"],
    ["1240.241.0.0.0/16", "not an IPv4 network"],
    [" 240.241.0.0/16", "not an IPv4 network"],
    ["240.241.0.0/16,", "not an IPv4 network"],
    ["300.0.0.0/16", "not an IPv4 network"],
    ["fd00::/112", "not an IPv4 network"],
    ["240.241.1.0/16", "write 240.241.0.0/16"],
  ])("%j is refused: %s", (cidr, message) => {
    expect(() => vipPool(cidr)).toThrow(message);
  });

  test.each([
    ["240.241.3.4", true],
    ["240.0.0.0", true],
    ["240.0.0.1", true],
    ["255.255.255.254", true],
    ["239.255.255.255", false],
    ["10.0.0.1", false],
    ["", false],
    ["240.241.0.0/24", false],
    ["240.241.1", false],
    ["0.240.241.1.1", false],
    ["2001:db8::1", false],
  ])("believes %j: %s", (ip, isBelieved) => {
    expect(pool.accepts(ip)).toBe(isBelieved);
  });

  test.each([
    ["10.96.0.0", true],
    ["10.96.255.255", true],
    ["10.97.0.0", false],
    ["240.0.0.1", false],
    ["::ffff:a60:1", true],
    ["64:ff9b::a60:1", true],
    ["2002:a60:1::", true],
    ["::a60:1", true],
    ["::ffff:a61:1", false],
    ["2001:db8::a60:1", false],
  ])("whether %s leads into it: %s", (address, leads) => {
    expect(vipPool("10.96.0.0/16").leadsInto(address)).toBe(leads);
  });

  test("has the addresses of its range, those that no host gets too, and no others", () => {
    const asked = [
      "240.240.255.255",
      "240.241.0.0",
      "240.241.3.4",
      "240.241.255.255",
      "240.242.0.0",
      "::1",
      "",
    ];
    expect(asked.filter(vipPool("240.241.0.0/16").has)).toEqual([
      "240.241.0.0",
      "240.241.3.4",
      "240.241.255.255",
    ]);
  });

  test("believes its own range below 240.0.0.0, too", () => {
    const { accepts } = vipPool("10.96.0.0/16");
    const asked = ["10.95.255.255", "10.96.1.2", "10.96.255.254", "10.97.0.0"];
    expect(asked.filter(accepts)).toEqual(["10.96.1.2", "10.96.255.254"]);
  });
});

describe("the choice", () => {
  test.each([
    [greetingHost, "240.241.184.190"],
    ["eureka-provider.springnacos", "240.241.84.46"],
  ])("%s gets %s in every cluster that has it free", (host, vip) => {
    expect(chooseVip(host, pool, free)).toBe(vip);
  });

  test("goes on past used addresses, over the end of a block", () => {
    const used = new Set(["240.241.184.190", "240.241.184.191"]);
    expect(chooseVip(greetingHost, pool, (ip) => used.has(ip))).toBe("240.241.184.192");
    const block = (ip: string): boolean => ip.startsWith("240.241.184.");
    expect(chooseVip(greetingHost, pool, block)).toBe("240.241.185.1");
  });

  test("wraps at the end, and ends when nothing is free", () => {
    const small = vipPool("240.241.0.0/30");
    const got = ["240.241.0.1", "240.241.0.2", "240.241.0.3"].map((only) =>
      chooseVip(greetingHost, small, (ip) => ip !== only),
    );
    expect(got).toEqual(["240.241.0.1", "240.241.0.2", "240.241.0.3"]);
    expect(chooseVip(greetingHost, small, () => true)).toBeUndefined();
  });
});

describe("of two with one virtual IP", () => {
  const [young, old] = ["2024-02-02T00:00:00Z", "2024-01-01T00:00:00Z"] as const;
  const one: VipHolder = { isIncumbent: false, createdAt: young, key: "ns/b" };

  test.each<[string, Partial<VipHolder>, Partial<VipHolder>]>([
    ["the incumbent, however young", { isIncumbent: true }, { createdAt: old }],
    ["the older of two incumbents", { isIncumbent: true, createdAt: old }, { isIncumbent: true }],
    ["the older, if none is the incumbent", { createdAt: old }, { key: "ns/a" }],
    ["of equals the first by name", { key: "ns/a" }, {}],
  ])("%s keeps it", (_, keeper, mover) => {
    expect(keepsVip({ ...one, ...keeper }, { ...one, ...mover })).toBe(true);
    expect(keepsVip({ ...one, ...mover }, { ...one, ...keeper })).toBe(false);
  });
});
