import { startFakeEureka } from "../fakes/eureka/server.ts";
import { eurekaTraits, startHarness } from "./eureka-harness.ts";
import { describeRegistry } from "./registry.contract.ts";

describeRegistry("the fake Eureka", eurekaTraits, () =>
  startHarness(async () => {
    const fake = await startFakeEureka({ login: { username: "eureka", password: "of-the-test" } });
    return { ...fake, restart: () => fake.restart({ lose: true }) };
  }),
);
