import { startEurekaRegistries } from "./eureka-registry.ts";
import { hubEdits } from "./hub-edits.ts";
import { operatorOutages } from "./operator-outages.ts";
import { describeOutages } from "./outages.ts";
import { registryOutages } from "./registry-outages.ts";
import { removals } from "./removals.ts";
import { restarts } from "./restarts.ts";

describeOutages("Eureka", startEurekaRegistries, {
  tables: [registryOutages, restarts, removals, hubEdits, operatorOutages],
});
