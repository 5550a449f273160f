import { describe, expect, test } from "vitest";
import { parseEurekaAddress } from "../../../../src/registries/eureka/adapter.ts";

describe("a Eureka address", () => {
  test.each([
    ["http://eureka:8761/eureka", ["eureka:8761 http://eureka:8761/eureka"]],
    ["http://eureka:8761/eureka/", ["eureka:8761 http://eureka:8761/eureka"]],
    ["http://eureka:8761", ["eureka:8761 http://eureka:8761/eureka"]],
    ["https://eureka/eureka/v2", ["eureka:443 https://eureka/eureka/v2"]],
    [
      "http://a:1/eureka/, https://[2001:db8::1]:9/x",
      ["a:1 http://a:1/eureka", "[2001:db8::1]:9 https://[2001:db8::1]:9/x"],
    ],
  ])("%s", (address, expected) => {
    expect(parseEurekaAddress(address).map(({ name, baseUrl }) => `${name} ${baseUrl}`)).toEqual(expected);
  });

  test.each([
    ["eureka:8761", '"eureka:8761" is not a server URL'],
    ["http://a:1/eureka,", '"" is not a server URL'],
    ["http://me:secret@a:1/eureka", '"a:1/eureka" is not a server URL'],
    ["http://a:1/eureka?password=secret", '"http://a:1/eureka" is not a server URL'],
  ])("%s cannot be used", (address, detail) => {
    expect(() => parseEurekaAddress(address)).toThrow(
      expect.objectContaining({ code: "InvalidSpec", detail }),
    );
  });
});
