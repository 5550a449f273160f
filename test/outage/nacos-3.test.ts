import { nacosProgramme } from "./nacos-programme.ts";
import { startNacosRegistries } from "./nacos-registry.ts";
import { describeOutages } from "./outages.ts";

describeOutages("Nacos 3.1", () => startNacosRegistries("3.1"), {
  ...nacosProgramme,
  isFurtherVersion: true,
});
