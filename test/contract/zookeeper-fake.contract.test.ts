import { describeRegistry } from "./registry.contract.ts";
import { describeApplications } from "./zookeeper-applications.contract.ts";
import { startFakeZooKeeperHarness, zooKeeperTraits } from "./zookeeper-harness.ts";
import { describeTree } from "./zookeeper-tree.contract.ts";

const name = "the fake ZooKeeper";
describeRegistry(name, zooKeeperTraits, startFakeZooKeeperHarness);
describeTree(name, startFakeZooKeeperHarness);
describeApplications(name, startFakeZooKeeperHarness);
