import { expect, test } from "vitest";
import { startFakeEureka } from "../fakes/eureka/server.ts";
import { eventually } from "../support/eventually.ts";
import { eurekaTraits, openReader, startHarness } from "./eureka-harness.ts";
import { observe } from "./observe.ts";
import { describeRegistry } from "./registry.contract.ts";

test("a connection is kept from one poll to the next, whatever the server says of how long", async () => {
  await using server = await startFakeEureka();
  await using observer = observe(openReader({ address: server.address, pollIntervalMs: 5_000 }));
  await observer.until(() => {});
  await eventually(() => expect(server.asked).toHaveLength(8), 20_000); // two polls more
  expect(server.accepted).toBe(1);
});

describeRegistry("the fake Eureka", eurekaTraits, () =>
  startHarness(async () => {
    const fake = await startFakeEureka({ login: { username: "eureka", password: "of-the-test" } });
    return { ...fake, restart: () => fake.restart({ lose: true }) };
  }),
);
