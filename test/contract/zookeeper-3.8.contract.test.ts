import { describeRegistry } from "./registry.contract.ts";
import { startZooKeeperHarness, zooKeeperTraits } from "./zookeeper-harness.ts";

describeRegistry("ZooKeeper 3.8", zooKeeperTraits, () => startZooKeeperHarness("3.8"));
