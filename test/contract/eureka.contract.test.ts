import { eurekaTraits, startEurekaHarness } from "./eureka-harness.ts";
import { describeRegistry } from "./registry.contract.ts";

describeRegistry("Eureka", eurekaTraits, startEurekaHarness);
