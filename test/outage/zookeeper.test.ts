import { clusterOutages } from "./cluster-outages.ts";
import { dataLosses } from "./data-losses.ts";
import { hubEdits } from "./hub-edits.ts";
import { operatorOutages } from "./operator-outages.ts";
import { describeOutages } from "./outages.ts";
import { registryOutages } from "./registry-outages.ts";
import { removals } from "./removals.ts";
import { serviceRights } from "./service-rights.ts";
import { startZooKeeperRegistries } from "./zookeeper-registry.ts";

describeOutages("ZooKeeper 3.9", startZooKeeperRegistries, {
  tables: [registryOutages, dataLosses, removals, hubEdits, operatorOutages, serviceRights, clusterOutages],
});
