import { consulTraits, startConsulHarness } from "./consul-harness.ts";
import { describeRegistry } from "./registry.contract.ts";

describeRegistry("Consul 1.22", consulTraits, startConsulHarness);
