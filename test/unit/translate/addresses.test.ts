import { expect, test } from "vitest";
import { addressProblem, addrOf } from "../../../src/translate/addresses.ts";

test.each([
  ["10.42.0.57", 20_880],
  ["192.168.1.10", 1],
  ["100.64.0.1", 65_535],
  ["2001:db8::1", 20_880],
  ["2001:DB8::1", 20_880],
  ["fd00::1", 80],
  ["::ffff:10.0.0.1", 80],
  ["64:ff9b::10.0.0.1", 80],
  ["2002:a00:1::1", 80],
  ["100.100.100.201", 80],
  ["168.63.129.17", 80],
  ["fd00:ec2::253", 80],
])("%s:%d may pass", (address, port) => {
  expect(addressProblem(address, port)).toBeUndefined();
});

test.each([0, -1, 65_536, 70_000, 1.5, Number.NaN, Number.POSITIVE_INFINITY])(
  "port %d is BadPort",
  (port) => {
    expect(addressProblem("10.0.0.1", port)).toEqual({
      code: "BadPort",
      detail: `port ${port} is not 1..65535`,
    });
  },
);

test.each([
  ["127.0.0.1", "loopback"],
  ["127.255.0.1", "loopback"],
  ["::1", "loopback"],
  ["0:0:0:0:0:0:0:1", "loopback"],
  ["::ffff:127.0.0.1", "loopback"],
  ["::FFFF:7f00:1", "loopback"],
  ["169.254.169.254", "link-local"],
  ["fe80::1", "link-local"],
  ["::ffff:169.254.169.254", "link-local"],
  ["224.0.0.1", "multicast"],
  ["239.255.255.255", "multicast"],
  ["ff02::1", "multicast"],
  ["0.0.0.0", "unspecified"],
  ["0.1.2.3", "unspecified"],
  ["::", "unspecified"],
  ["255.255.255.255", "broadcast"],
  ["fec0::1", "site-local"],
  ["100.100.100.200", "metadata"],
  ["fd00:ec2::254", "metadata"],
  ["fd00:0ec2:0::0254", "metadata"],
  ["fd20:ce::254", "metadata"],
  ["168.63.129.16", "metadata"],
  ["192.0.0.192", "metadata"],
  ["240.241.0.1", "a virtual IP"],
  ["240.0.0.1", "a virtual IP"],
  ["::127.0.0.1", "loopback"],
  ["64:ff9b::7f00:1", "loopback"],
  ["64:ff9b::127.0.0.1", "loopback"],
  ["64:ff9b::a9fe:a9fe", "link-local"],
  ["64:ff9b::6464:64c8", "metadata"],
  ["2002:7f00:1::", "loopback"],
  ["2002:a9fe:a9fe::1", "link-local"],
  ["2002:e000:1::", "multicast"],
  ["64:ff9b::", "unspecified"],
  ["", "an empty address"],
  ["provider-0.dubbo.svc", "not an IP address"],
  ["localhost", "not an IP address"],
  ["010.0.0.1", "not an IP address"],
  ["10.0.0", "not an IP address"],
  ["[2001:db8::1]", "not an IP address"],
  ["fe80::1%eth0", "not an IP address"],
  ["2001:db8::1%eth0", "not an IP address"],
])("%s is BadAddress: %s", (address, what) => {
  expect(addressProblem(address, 20_880)).toMatchObject({
    code: "BadAddress",
    detail: expect.stringContaining(what),
  });
});

test("IPv6 stands in brackets before a port, and only there", () => {
  expect(addrOf("10.0.0.1", 80)).toBe("10.0.0.1:80");
  expect(addrOf("2001:db8::1", 80)).toBe("[2001:db8::1]:80");
});
