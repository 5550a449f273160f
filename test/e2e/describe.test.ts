import { join } from "node:path";
import { expect, test } from "vitest";
import { startFakeConsul } from "../fakes/consul/server.ts";
import { startFakeNacos } from "../fakes/nacos/server.ts";
import { instanceMetadata, instanceNode, metadataInfo } from "../support/dubbo-application.ts";
import { eventually } from "../support/eventually.ts";
import { blocksOf, checkout, textOf } from "../support/markdown.ts";
import { providerOf, providersOf } from "../support/nacos-dubbo.ts";
import { newTenant, providerUrl, STATUS_MS, type Tenant, useWorld } from "./world.ts";

// What docs/registries shows of `kubectl describe` is what it prints; `--update` records it anew.

const world = useWorld();

const orders = { name: "org.example.Orders", address: "10.42.8.1", port: 20_880 };
/** A process of the application `orders`, which serves the interface too. */
const process = { address: "10.42.8.2", port: 20_880, revision: "r1" };

test("a Consul whose token is too narrow", async () => {
  await using consul = await startFakeConsul({ tokens: { narrow: { services: [], nodes: [] } } });
  consul.register("order", [{ address: "10.42.8.3", port: 9000 }]);
  const tenant = await newTenant(world, "describe-consul");
  const secret = ["consul-token", "-n", tenant.namespace, "--from-literal=token=narrow"];
  await world.api.kubectl(["create", "secret", "generic", ...secret]);
  await tenant.applyHub(
    { type: "consul", address: consul.address, secretRef: { name: "consul-token" } },
    "shop",
  );
  await eventually(async () => expect((await tenant.hub("shop")).status?.phase).toBe("failed"), STATUS_MS);
  const told = await describedOf(tenant, "shop");
  const condition = conditionIn(told, "RegistrySynced").map((line) =>
    line.replace(`127.0.0.1:${consul.port}`, "consul:8500"),
  );
  await expectShown("docs/registries/consul.md", "shop", [
    "Status:",
    "  …",
    "  Conditions:",
    "    …",
    ...condition,
  ]);
});

test("a Nacos whose account may not read an application's metadata", async () => {
  await using nacos = await startFakeNacos();
  nacos.register(providersOf(orders.name), [providerOf(orders.name, orders)]);
  nacos.register("orders", [
    { ip: process.address, port: process.port, metadata: instanceMetadata(process) },
  ]);
  nacos.setConfig(orders.name, "mapping", "orders");
  nacos.fault(({ body }) => body.dataId === "orders", {
    refuse: 403,
    message: "authorization failed!",
    type: "ConfigQueryResponse",
  });
  const tenant = await newTenant(world, "describe-nacos");
  await tenant.applyHub(
    { type: "nacos", address: nacos.address, nacos: { groups: ["DEFAULT_GROUP"] } },
    "orders",
  );
  await expectProblemsShown("docs/registries/nacos.md", tenant, "orders");
});

test("a ZooKeeper whose user may not read an application's metadata", async () => {
  const { writer, zooKeeper } = world;
  const owner = { users: [{ username: "orders", password: "of-the-test" }] };
  const chroot = "/describe";
  const url = providerUrl(orders.name, `${orders.address}:${orders.port}`);
  await writer.registerProviders([url], `${chroot}/dubbo`);
  const node = `${chroot}/services/orders/${process.address}:${process.port}`;
  await writer.create(node, { data: instanceNode("orders", process) });
  await writer.create(`${chroot}/dubbo/mapping/${orders.name}`, { data: "orders" });
  const data = metadataInfo("orders", process.revision, [{ name: orders.name }]);
  await writer.create(`${chroot}/dubbo/metadata/orders/${process.revision}`, { data, acl: owner });
  const tenant = await newTenant(world, "describe-zookeeper");
  await tenant.applyHub(
    { address: `${zooKeeper.address}${chroot}`, zookeeper: { root: "/dubbo" } },
    "orders",
  );
  await expectProblemsShown("docs/registries/zookeeper.md", tenant, "orders");
});

async function expectProblemsShown(path: string, tenant: Tenant, hub: string): Promise<void> {
  await eventually(async () => expect((await tenant.hub(hub)).status?.problems).toHaveLength(1), STATUS_MS);
  const told = await describedOf(tenant, hub);
  await expectShown(path, hub, ["Status:", "  …", ...fieldOf(told, "Problems")]);
}

const commandOf = (hub: string): string => `describe registryhub ${hub}`;

async function describedOf({ namespace }: Tenant, hub: string): Promise<readonly string[]> {
  const told = await world.api.kubectl([...commandOf(hub).split(" "), "-n", namespace]);
  return told.split("\n").map((line) => line.trimEnd());
}

/** A field of the status and all that is in it. */
function fieldOf(told: readonly string[], field: string): readonly string[] {
  const from = told.indexOf(`  ${field}:`);
  const length = told.slice(from + 1).findIndex((line) => !line.startsWith("    "));
  return told.slice(from, from + 1 + length);
}

/** One condition, without its time. */
function conditionIn(told: readonly string[], type: string): readonly string[] {
  const lines = fieldOf(told, "Conditions");
  const end = lines.findIndex((line) => /^ *Type:/.test(line) && line.endsWith(` ${type}`));
  const from = lines.findLastIndex((line, at) => at < end && /^ *Last Transition Time:/.test(line));
  return lines.slice(from + 1, end + 1);
}

/** Demands that the document shows these lines, between marks for what is left out. */
async function expectShown(path: string, hub: string, lines: readonly string[]): Promise<void> {
  const text = textOf(path);
  const command = `$ kubectl ${commandOf(hub)}`;
  const shown = blocksOf(text, "console").find((block) => block.startsWith(`${command}\n`));
  if (shown === undefined) throw new Error(`${path} shows no "${command}"`);
  const recorded = [command, "…", ...lines, "…", ""].join("\n");
  await expect(text.replace(shown, () => recorded)).toMatchFileSnapshot(join(checkout, path));
}
