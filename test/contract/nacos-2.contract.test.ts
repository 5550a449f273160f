import { nacosTraits, startNacosHarness } from "./nacos-harness.ts";
import { describeRegistry } from "./registry.contract.ts";

describeRegistry("Nacos 2.3", nacosTraits, () => startNacosHarness("2.3"));
