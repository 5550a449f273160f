import { nacosTraits, startNacosHarness } from "./nacos-harness.ts";
import { describeRegistry } from "./registry.contract.ts";

describeRegistry("Nacos 3.1", nacosTraits, () => startNacosHarness("3.1"));
