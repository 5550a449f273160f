import { startZooKeeperHarness } from "./zookeeper-harness.ts";
import { describeTree } from "./zookeeper-tree.contract.ts";

describeTree("ZooKeeper 3.9", () => startZooKeeperHarness());
