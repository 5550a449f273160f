import { expect, test } from "vitest";
import {
  badInstance,
  keepIdentity,
  springInstance,
  springService,
} from "../../../../../src/registries/kinds/spring/instance.ts";

const instance = (address: string) =>
  springInstance({ address, port: 80, weight: 1, locality: "", metadata: {} });
const key = { id: "g@@ORDERS", name: "ORDERS", registryGroup: "g" };

test("an IPv6 address has no brackets", () => {
  expect(instance("[2001:db8::1]").address).toBe("2001:db8::1");
});

test("the order in which a registry lists things does not matter", () => {
  const [a, b] = [instance("10.42.0.1"), instance("10.42.0.2")];
  const [one, two] = [
    badInstance("ORDERS", "10.42.0.3", "no port"),
    badInstance("ORDERS", "10.42.0.3", "no status"),
  ];
  const service = springService(key, [a, b], [one, two]);
  expect(service).toMatchObject({ ...key, kind: "spring", instances: [a, b], problems: [one, two] });
  expect(springService(key, [b, a, b], [two, one])).toEqual(service);
});

test("a service that is as it was is the same object", () => {
  const made = () => springService(key, [instance("10.42.0.1")], []);
  const before = keepIdentity(undefined, made());
  expect(keepIdentity(before, made())).toBe(before);
  const changed = springService(key, [instance("10.42.0.2")], []);
  expect(keepIdentity(before, changed)).toBe(changed);
});

test.each([
  ["http://h/?token=s3cret", "ORDERS http://h/"],
  ["http://me:s3cret@h:80/x", "ORDERS h:80/x"],
  ["h#s3cret", "ORDERS h"],
  ["?", "ORDERS ?"],
  ["10.42.0.1\n\u0007", "ORDERS 10.42.0.1  "],
  ["x".repeat(500), `ORDERS ${"x".repeat(120)}`],
])("a registered address is told without what may be a secret: %j", (address, at) => {
  expect(badInstance("ORDERS", address, "no port").at).toBe(at);
});
