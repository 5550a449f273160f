import { expect, test } from "vitest";
import { leaseNameOf } from "../../../src/cli/controllers.ts";
import { readConfig } from "../../../src/config.ts";

const nameOf = (hubSelector: string, controller: Parameters<typeof leaseNameOf>[0] = "hub-controller") =>
  leaseNameOf(controller, readConfig({ hubSelector }, {}));

test("a process that serves all hubs leads with the Lease of the controller's name", () => {
  expect(nameOf("")).toBe("registryhub");
  expect(nameOf("  ")).toBe("registryhub");
});

test("a lane leads with a Lease of its own, whose name a shell can tell", () => {
  // printf %s lane=gold | sha256sum | cut -c1-8
  expect(nameOf("lane=gold")).toBe("registryhub-14d69c88");
  expect(nameOf(" lane=gold ")).toBe("registryhub-14d69c88");
  expect(nameOf("lane!=gold")).not.toBe(nameOf("lane=gold"));
});

test("there are no lanes of the dubbo-controller, whatever the environment of all says", () => {
  expect(nameOf("lane=gold", "dubbo-controller")).toBe("dubbo-controller");
});
