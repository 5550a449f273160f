import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, test } from "vitest";
import type { ServiceEntry } from "../../src/model/istio.ts";
import type { HubStatus } from "../../src/model/registryhub.ts";
import { hubIdOf } from "../../src/translate/names.ts";
import { recordEntries } from "../e2e/recording.ts";
import {
  conditionOf,
  endpointsOf,
  providerUrl,
  SOON_MS,
  STATUS_MS,
  untilFailed,
  untilReady,
} from "../e2e/world.ts";
import { startFakeConsul } from "../fakes/consul/server.ts";
import { eventually } from "../support/eventually.ts";
import { installNamespace } from "../support/install.ts";
import { entryOf, hubOf } from "./members.ts";
import { type Party, useStage } from "./stage.ts";

const { world, open } = useStage({ policies: false });
const iface = "org.example.Shop";
const managedBy = { "app.kubernetes.io/managed-by": "registryhub" };

let last = 1;

/** A party whose hub is ready, with one service of one instance and its filter. */
async function openShop(namespace?: string, hubName?: string): Promise<Party> {
  const party = await open(namespace);
  await party.provide(providerUrl(iface, `10.42.2.${++last}:20880`));
  await party.hubOf({}, hubName);
  await untilReady(party, hubName === undefined ? {} : { name: hubName });
  await eventually(async () => expect(await filtersOf(party)).toHaveLength(1), SOON_MS);
  return party;
}

async function shopOf(party: Party): Promise<ServiceEntry> {
  const [entry] = await party.entries();
  if (entry === undefined) throw new Error(`${party.namespace} has no entry`);
  return entry;
}

const filtersOf = async ({ namespace }: Party): Promise<readonly unknown[]> =>
  (await world.cluster.envoyFilters(installNamespace)).filter(({ metadata }) =>
    metadata.annotations?.["ecns.easystack.cn/serviceentry"]?.startsWith(`${namespace}/`),
  );

/** The party's registry has another instance, and the entry soon has it too: the operator works for it. */
async function isServed(party: Party): Promise<void> {
  const address = `10.42.2.${++last}:20880`;
  await party.provide(providerUrl(iface, address));
  await eventually(async () => expect(endpointsOf(await shopOf(party))).toContain(address), SOON_MS);
}

const says = (party: Party, check: (status: HubStatus) => void, name?: string): Promise<void> =>
  eventually(async () => {
    const { status } = await party.hub(name);
    if (status === undefined) throw new Error("the hub has no status yet");
    check(status);
  }, STATUS_MS);

const problemsOf = ({ problems }: HubStatus): readonly string[] => problems.map(({ problem }) => problem);

describe("entries in another namespace", () => {
  test("are not made, and the hub says who could allow them", async () => {
    const [good, evil] = [await openShop(), await open()];
    await evil.provide(providerUrl("org.example.Spy", "10.42.2.1:20880"));
    await evil.hubOf({ generate_to: good.namespace });
    await untilFailed(evil, "NamespaceNotAllowed", `namespace ${good.namespace}`);
    expect(await good.entries()).toHaveLength(1);
  });
});

describe("the name of a Service of another namespace", () => {
  test("is not answered for, though that namespace has invited the hub", async () => {
    const [good, evil] = [await open(), await open()];
    const { kubectl } = world.api;
    await kubectl(["create", "service", "clusterip", "shop", "--tcp=80", "-n", good.namespace]);
    const invitation = `ecns.easystack.cn/allow-registryhubs-from=${evil.namespace}`;
    await kubectl(["annotate", "namespace", good.namespace, invitation]);
    await evil.provide(
      providerUrl("shop", "10.42.2.1:20880", { version: "" }),
      providerUrl("guest", "10.42.2.1:20880", { version: "" }),
    );
    await evil.hubOf({ generate_to: good.namespace });
    await says(evil, (status) =>
      expect(problemsOf(status)).toEqual([expect.stringMatching(/^ShadowsService: .*shop/)]),
    );
    await eventually(async () => {
      const hosts = (await good.entries()).flatMap(({ spec }) => spec.hosts ?? []);
      expect(hosts).toEqual([`guest.${good.namespace}`]);
    }, SOON_MS);
  });
});

describe("public names", () => {
  test("are not made in a namespace that ends them", async () => {
    const evil = await open("com");
    await evil.provide(providerUrl("google", "10.42.2.1:20880", { version: "" }));
    await evil.hubOf();
    await untilFailed(evil, "NamespaceNotAllowed", /no entries in namespace com \(--deny-targets\)/);
    expect(await evil.entries()).toEqual([]);
  });
});

describe("another's entries", () => {
  test("are neither emptied nor deleted by a hub with the same id", async () => {
    expect(hubIdOf("evil/x-1gm")).toBe(hubIdOf("good/hub-73159"));
    const good = await openShop("good", "hub-73159");
    const recording = await recordEntries(world.recorder, "good");
    const evil = await open("evil");
    await evil.hubOf({ zookeeper: { root: "/nothing" } }, "x-1gm");
    await eventually(async () => {
      const ready = conditionOf(await evil.hub("x-1gm"), "Ready");
      expect(ready).toMatchObject({ status: "False", reason: "InvalidSpec" });
      expect(ready.message).toContain("Rename the hub");
    }, STATUS_MS);
    expect(await recording.changes()).toEqual([]);
    await isServed(good);
  });

  test("are not touched by an entry that forges all marks of their hub", async () => {
    const [good, evil] = [await openShop(), await openShop()];
    const before = await shopOf(good);
    const recording = await recordEntries(world.recorder, good.namespace);
    const { labels, annotations } = before.metadata;
    const { name } = (await shopOf(evil)).metadata;
    const marks = JSON.stringify({ metadata: { labels, annotations } });
    await evil.member.kubectl([
      "patch",
      "serviceentry",
      name ?? "",
      "-n",
      evil.namespace,
      "--type=merge",
      "-p",
      marks,
    ]);
    await evil.member.create(entryOf(evil.namespace, "twin", { labels, annotations }, before.spec));
    await isServed(evil);
    expect(await recording.changes()).toEqual([]);
    await isServed(good);
  });
});

describe("the operator itself", () => {
  test("is not stopped by objects that are odd", async () => {
    const [good, evil] = [await openShop(), await open()];
    const ports = [{ name: "9000", number: 9_000 }];
    const old = { manager: "aeraki", registry: "dubbo2istio" };
    await evil.member.create(
      entryOf(evil.namespace, "without-protocol", { labels: managedBy }, { ports }),
      entryOf(evil.namespace, "old-without-protocol", { labels: old }, { ports }),
      entryOf(evil.namespace, "without-address", { labels: managedBy }, { endpoints: [{ network: "east" }] }),
      entryOf(evil.namespace, "everything", {}, { addresses: ["0.0.0.0/0", "240.241.0.0/16"] }),
    );
    const { hub, dubbo } = world.controllers;
    await isServed(good);
    await Promise.all([hub.restart(), dubbo.restart()]);
    await isServed(good);
    expect([hub.isRunning(), dubbo.isRunning()]).toEqual([true, true]);
  });

  test("is not stopped by an answer without end", async () => {
    const [good, evil] = [await openShop(), await open()];
    await using registry = await endlessRegistry();
    await evil.hubOf({ type: "eureka", address: registry.address });
    await untilFailed(evil, "RegistryBadResponse", /the answer is larger than/);
    expect(world.controllers.hub.isRunning()).toBe(true);
    await isServed(good);
  });
});

describe("virtual IPs", () => {
  test("do not move because a stranger takes one, and the hub names the stranger", async () => {
    const [good, evil] = [await openShop(), await open()];
    const before = await shopOf(good);
    const filters = await filtersOf(good);
    const taken = { addresses: before.spec.addresses, exportTo: ["."] };
    await evil.member.create(entryOf(evil.namespace, "thief", { labels: managedBy }, taken));
    await says(good, (status) =>
      expect(problemsOf(status)).toEqual([
        expect.stringContaining(`VipShared: ServiceEntry ${evil.namespace}/thief`),
      ]),
    );
    await isServed(good);
    expect((await shopOf(good)).spec.addresses).toEqual(before.spec.addresses);
    expect(await filtersOf(good)).toEqual(filters);
    await evil.member.kubectl(["delete", "serviceentry", "thief", "-n", evil.namespace]);
  });
});

describe("filters of the whole mesh", () => {
  test("are not made for an entry that only says that it is the operator's", async () => {
    const [good, evil] = [await openShop(), await open()];
    const forged = { labels: managedBy, annotations: { interface: "x.Y", workloadSelector: "" } };
    const port = { name: "tcp-metaprotocol-dubbo", number: 21_999, protocol: "tcp" };
    await evil.member.create(
      entryOf(evil.namespace, "forged", forged, { addresses: ["240.241.250.1"], ports: [port] }),
    );
    await isServed(good);
    const newcomer = await openShop(); // its filter is written after that of an earlier entry would have been
    expect(await filtersOf(newcomer)).toHaveLength(1);
    expect(await filtersOf(evil)).toEqual([]);
    const names = (await world.cluster.envoyFilters(installNamespace)).map(({ metadata }) => metadata.name);
    expect(names).not.toContain("aeraki-outbound-buffer-21999");
  });

  test("are not made for a port that is not Dubbo's", async () => {
    const evil = await openShop();
    await evil.provide(providerUrl("org.example.Sql", "10.42.2.1:3306"));
    await says(evil, (status) =>
      expect(problemsOf(status)).toEqual([expect.stringMatching(/^PortNotAllowed: .*3306/)]),
    );
    const names = (await world.cluster.envoyFilters(installNamespace)).map(({ metadata }) => metadata.name);
    expect(names).not.toContain("aeraki-outbound-buffer-3306");
    expect(await filtersOf(evil)).toHaveLength(1);
  });
});

describe("Secrets", () => {
  test("with the token of a ServiceAccount are sent to nobody", async () => {
    await using registry = await startFakeConsul();
    const evil = await open();
    const metadata = {
      name: "stolen",
      namespace: evil.namespace,
      annotations: { "kubernetes.io/service-account.name": "member" },
    };
    await evil.member.create({
      apiVersion: "v1",
      kind: "Secret",
      type: "kubernetes.io/service-account-token",
      metadata,
    });
    await eventually(async () => {
      const key = ["get", "secret", "stolen", "-n", evil.namespace, "-o", "jsonpath={.data.token}"];
      expect(await evil.member.kubectl(key)).not.toBe("");
    }, SOON_MS);
    await evil.hubOf({ type: "consul", address: registry.address, secretRef: { name: "stolen" } });
    await untilFailed(evil, "SecretInvalid", /kubernetes\.io\/service-account-token/);
    expect(registry.requests).toEqual([]);
  });

  test("of another namespace are not found", async () => {
    await using registry = await startFakeConsul();
    const [good, evil] = [await open(), await open()];
    const login = ["secret", "generic", "login", "-n", good.namespace, "--from-literal=token=hidden"];
    await good.member.kubectl(["create", ...login]);
    await evil.hubOf({ type: "consul", address: registry.address, secretRef: { name: "login" } });
    await untilFailed(evil, "SecretInvalid", /login/);
    expect(registry.requests).toEqual([]);
  });
});

describe("addresses from which clouds hand out credentials", () => {
  const metadata = [
    "169.254.169.254",
    "[::ffff:169.254.169.254]",
    "[fe80::a9fe:a9fe]",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "[fd00:ec2::254]",
    "[fd20:ce::254]",
    "[64:ff9b::a9fe:a9fe]",
  ];
  test("are not connected to, and the hub says so", async () => {
    const evil = await open();
    const names = metadata.map((host, at) => [`hub-${at}`, host] as const);
    for (const [name, host] of names)
      await evil.member.create(hubOf(evil.namespace, { type: "consul", address: `http://${host}` }, name));
    const told: Record<string, boolean> = {};
    for (const [name, host] of names)
      await says(
        evil,
        (status) => {
          expect(status.phase).toBe("failed");
          const { message } = status.conditions.find(({ type }) => type === "Ready") ?? { message: "" };
          told[host] = /link-local|metadata/.test(message);
        },
        name,
      );
    expect(told).toEqual(Object.fromEntries(metadata.map((host) => [host, true])));
    await evil.member.kubectl(["delete", "registryhub", "--all", "-n", evil.namespace]);
  });
});

describe("what fills the cluster", () => {
  test("a quota ends it: the hub says so, what it has stays, and others are served", async () => {
    const [good, evil] = [await openShop(), await open()];
    const quota = {
      apiVersion: "v1",
      kind: "ResourceQuota",
      metadata: { name: "few", namespace: evil.namespace },
      spec: { hard: { "count/serviceentries.networking.istio.io": "3", "count/secrets": "0" } },
    };
    await world.api.kubectl(["create", "-f", "-"], { input: JSON.stringify(quota) });
    // That it is counted does not mean that the API server asks it already.
    const probe = ["create", "secret", "generic", "probe", "-n", evil.namespace, "--dry-run=server"];
    await eventually(() => expect(world.api.kubectl(probe)).rejects.toThrow("exceeded quota: few"), 90_000);
    const services = Array.from({ length: 5 }, (_, at) => `org.example.Flood${at}`);
    await evil.provide(...services.map((name) => providerUrl(name, "10.42.2.1:20880")));
    await evil.hubOf();
    await says(evil, (status) => {
      const applied = status.conditions.find(({ type }) => type === "Applied");
      expect(applied).toMatchObject({ status: "False", reason: "ApplyFailed" });
      expect(applied?.message).toContain("exceeded quota: few");
    });
    expect(await evil.entries()).toHaveLength(3);
    await isServed(good);
  });
});

describe("what a registry says of itself", () => {
  test("does not reach a terminal as control characters", async () => {
    const evil = await open();
    await evil.provide(providerUrl(iface, "10.42.2.1:20880"));
    const node = encodeURIComponent("dubbo://10.42.2.1:0/\u001B]0;owned\u0007\u009B2J?side=provider");
    await world.writer.create(`${evil.root}/${iface}/providers/${node}`);
    await evil.hubOf();
    await says(evil, (status) => {
      expect(status.rejected).toBe(1);
      expect(JSON.stringify(status)).not.toMatch(/\\u00[0189]|\p{Cc}/u);
    });
  });

  test("does not make a metadata service or a virtual IP an endpoint", async () => {
    const evil = await open();
    const refused = ["169.254.169.254", "100.100.100.200", "240.241.1.1", "127.0.0.1"];
    await evil.provide(
      providerUrl(iface, "10.42.2.1:20880"),
      ...refused.map((address) => providerUrl(iface, `${address}:20880`)),
    );
    await evil.hubOf();
    await untilReady(evil);
    expect(endpointsOf(await shopOf(evil))).toEqual(["10.42.2.1:20880"]);
    await says(evil, (status) => expect(status.rejected).toBe(refused.length));
  });
});

/** Answers every request with JSON that never ends. Disposal stops it. */
async function endlessRegistry(): Promise<AsyncDisposable & { readonly address: string }> {
  const chunk = " ".repeat(1024 * 1024);
  const server = createServer((_, response) => {
    response.writeHead(200, { "content-type": "application/json" });
    const pour = (): void => {
      while (!response.destroyed && response.write(chunk));
    };
    response.on("drain", pour);
    pour();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    address: `http://127.0.0.1:${port}/eureka`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
