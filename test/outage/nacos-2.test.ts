import { nacosProgramme } from "./nacos-programme.ts";
import { startNacosRegistries } from "./nacos-registry.ts";
import { describeOutages } from "./outages.ts";

describeOutages("Nacos 2.3", () => startNacosRegistries("2.3"), nacosProgramme);
