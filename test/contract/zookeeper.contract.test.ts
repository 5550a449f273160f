import { describeRegistry } from "./registry.contract.ts";
import { startZooKeeperHarness, zooKeeperTraits } from "./zookeeper-harness.ts";

describeRegistry("ZooKeeper 3.9", zooKeeperTraits, () => startZooKeeperHarness());
