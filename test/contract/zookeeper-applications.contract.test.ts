import { describeApplications } from "./zookeeper-applications.contract.ts";
import { startZooKeeperHarness } from "./zookeeper-harness.ts";

describeApplications("ZooKeeper 3.9", () => startZooKeeperHarness());
