import { beforeAll, expect, test } from "vitest";
import { recordEntries } from "../e2e/recording.ts";
import {
  conditionOf,
  endpointsOf,
  providerUrl,
  RETRY_MS,
  SOON_MS,
  STATUS_MS,
  untilReady,
} from "../e2e/world.ts";
import { type ControllerProcess, startController } from "../support/controllers.ts";
import { eventually } from "../support/eventually.ts";
import { installNamespace, kubeconfigAs } from "../support/install.ts";
import { showLogsOnFailure } from "../support/show-logs.ts";
import { folderOf } from "./kustomization.ts";
import { operator, type Party, tenancyFlags, useStage } from "./stage.ts";

const lane = "ecns.easystack.cn/lane";
const { world, open } = useStage({
  policies: true,
  flags: [`--hub-selector=${lane}!=critical`, "--leader-elect"],
});

/** The Deployment registryhub-critical of the component, with the same ServiceAccount as the other. */
let critical: ControllerProcess;
beforeAll(async () => {
  const { api } = world;
  await api.kubectl(["apply", "-k", await folderOf(["multi-tenant", "lanes"])]); // names the Leases in the Role
  const own = [`--hub-selector=${lane}=critical`, "--vip-cidr=240.242.0.0/16", "--leader-elect"];
  const kubeconfig = await kubeconfigAs(api, "registryhub");
  critical = await startController("hub-controller", kubeconfig, [...tenancyFlags, ...own]);
  return () => critical[Symbol.asyncDispose]();
});
showLogsOnFailure(() => [critical]);

const move = ({ member, namespace }: Party, to: string): Promise<string> =>
  member.kubectl(["label", "--overwrite", "registryhub", "hub", "-n", namespace, `${lane}${to}`]);

/** Only this one of the two processes reads the registry of the party's hub. */
const isServedBy = (party: Party, one: ControllerProcess): Promise<void> =>
  eventually(async () => {
    const serving: number[] = [];
    for (const { get, pid } of [critical, world.controllers.hub])
      if ((await get("/metrics")).body.includes(`registry_up{hub="${party.namespace}/hub"`))
        serving.push(pid);
    expect(serving).toEqual([one.pid]);
  }, STATUS_MS);

const endpointsIn = async (party: Party) => (await party.entries()).map(endpointsOf);

/** A party with two services, whose member may choose the lane of a hub. */
async function openMover(): Promise<Party> {
  const party = await open();
  const { namespace, member } = party;
  await party.provide(
    providerUrl("org.example.A", "10.42.8.1:20880"),
    providerUrl("org.example.B", "10.42.8.2:20880"),
  );
  await party.hubOf();
  await untilReady(party);
  await expect(move(party, "=critical")).rejects.toThrow("may not move a hub");
  const binding = ["rolebinding", "mover", "-n", namespace, "--clusterrole=registryhub-lane-editor"];
  await world.api.kubectl(["create", ...binding, `--serviceaccount=${namespace}:member`]);
  await eventually(async () => {
    const right = ["can-i", "update", "registryhubs.ecns.easystack.cn", "--subresource=lane"];
    expect((await member.kubectl(["auth", ...right, "-n", namespace])).trim()).toBe("yes");
  }, SOON_MS);
  return party;
}

test("a hub that its tenant moves changes its process: nothing is written, and the other process follows", async () => {
  const party = await openMover();
  await isServedBy(party, world.controllers.hub);
  const recording = await recordEntries(world.recorder, party.namespace);
  await move(party, "=critical");
  await isServedBy(party, critical);
  await untilReady(party);
  expect(await recording.changes()).toEqual([]);
  await party.provide(providerUrl("org.example.A", "10.42.8.3:20880"));
  await eventually(
    async () =>
      expect(await endpointsIn(party)).toEqual([["10.42.8.1:20880", "10.42.8.3:20880"], ["10.42.8.2:20880"]]),
    SOON_MS,
  );
});

test("a hub that is moved while its registry is down, and its process stopped, loses nothing", async () => {
  const party = await openMover();
  const had = await endpointsIn(party);
  const recording = await recordEntries(world.recorder, party.namespace);
  await world.zooKeeper.kill();
  await critical.kill();
  await move(party, "=critical"); // to a lane that nobody serves
  await eventually(async () => {
    const { body } = await world.controllers.hub.get("/metrics");
    expect(body).not.toContain(`hub="${party.namespace}/hub"`);
  }, STATUS_MS);
  await critical.restart(); // and leads when the Lease of the one that was killed has run out
  await eventually(async () => {
    const { reason } = conditionOf(await party.hub(), "RegistrySynced");
    expect(reason).toBe("RegistryUnreachable");
  }, RETRY_MS);
  await move(party, "-");
  await world.restartZooKeeper();
  await isServedBy(party, world.controllers.hub);
  await untilReady(party, { deadlineMs: 60_000 });
  expect(await endpointsIn(party)).toEqual(had);
  expect(await recording.changes()).toEqual([]);
});

test("each lane leads with its own Lease, which the Role names, and no other", async () => {
  for (const name of ["registryhub-9ce6396d", "registryhub-4c72dc7c"]) {
    const holder = ["get", "lease", name, "-n", installNamespace, "-o", "jsonpath={.spec.holderIdentity}"];
    expect(await world.api.kubectl(holder)).not.toBe("");
  }
  const other = ["can-i", "patch", "leases/registryhub-00000000", "-n", installNamespace, `--as=${operator}`];
  expect(await world.api.kubectl(["auth", ...other]).catch(String)).not.toMatch(/^yes/);
});
