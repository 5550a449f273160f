import { describe, expect, test } from "vitest";
import { RegistryError } from "../../../../src/model/errors.ts";
import { parseNacosAddress } from "../../../../src/registries/nacos/address.ts";

const of = (address: string) =>
  parseNacosAddress(address).map(({ host, port, name, baseUrl }) => [host, port, name, baseUrl].join(" "));

describe("a Nacos address", () => {
  test.each([
    ["nacos.dubbo:8848", ["nacos.dubbo 8848 nacos.dubbo:8848 http://nacos.dubbo:8848/nacos"]],
    [
      "a:1, [2001:db8::1]:8848",
      ["a 1 a:1 http://a:1/nacos", "2001:db8::1 8848 [2001:db8::1]:8848 http://[2001:db8::1]:8848/nacos"],
    ],
  ])("%s", (address, expected) => {
    expect(of(address)).toEqual(expected);
  });

  test.each([
    ["", '"" is not host:port'],
    ["nacos", '"nacos" is not host:port'],
    ["nacos:0", '"nacos:0" is not host:port'],
    ["nacos:64536", 'the port of "nacos:64536" is not 1..64535; the gRPC port is 1000 above it'],
    ["a:1,,b:2", '"" is not host:port'],
    ["2001:db8::1:8848", '"2001:db8::1:8848" is not host:port'],
    ["me:secret@nacos:8848", '"nacos:8848" is not host:port'],
    ["http://nacos:8848", '"http://nacos:8848" is not host:port'],
    ["https://nacos/nacos", '"https://nacos/nacos" is not host:port'],
    ["http://me:secret@nacos:8848", '"nacos:8848" is not host:port'],
    ["http://nacos:8848/nacos?accessToken=secret", '"http://nacos:8848/nacos" is not host:port'],
    ["nacos:8848,http://other:8848", '"http://other:8848" is not host:port'],
  ])("%s cannot be used", (address, detail) => {
    const parse = () => parseNacosAddress(address);
    expect(parse).toThrow(RegistryError);
    expect(parse).toThrow(expect.objectContaining({ code: "InvalidSpec", detail }));
  });
});
