import { describeOutages } from "./outages.ts";
import { startZooKeeperRegistry } from "./zookeeper-registry.ts";

describeOutages("ZooKeeper 3.9", startZooKeeperRegistry);
