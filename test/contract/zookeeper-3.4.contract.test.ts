import { describeRegistry } from "./registry.contract.ts";
import { startZooKeeperHarness, zooKeeperTraits } from "./zookeeper-harness.ts";

describeRegistry("ZooKeeper 3.4", zooKeeperTraits, () => startZooKeeperHarness("3.4"));
