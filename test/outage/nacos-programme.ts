import { hubEdits } from "./hub-edits.ts";
import { operatorOutages } from "./operator-outages.ts";
import type { Programme } from "./outages.ts";
import { registryOutages } from "./registry-outages.ts";
import { removals } from "./removals.ts";
import { restarts } from "./restarts.ts";
import { serviceRights } from "./service-rights.ts";

export const nacosProgramme: Programme = {
  tables: [registryOutages, restarts, removals, hubEdits, operatorOutages, serviceRights],
};
