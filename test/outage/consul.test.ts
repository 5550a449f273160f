import { startConsulRegistries } from "./consul-registry.ts";
import { dataLosses } from "./data-losses.ts";
import { hubEdits } from "./hub-edits.ts";
import { operatorOutages } from "./operator-outages.ts";
import { describeOutages } from "./outages.ts";
import { registryOutages } from "./registry-outages.ts";
import { removals } from "./removals.ts";
import { serviceRights } from "./service-rights.ts";

describeOutages("Consul 1.22", startConsulRegistries, {
  tables: [registryOutages, dataLosses, removals, hubEdits, operatorOutages, serviceRights],
});
