import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type ApiServer, startApiServer } from "../bed/api-server.ts";
import { eventually } from "../support/eventually.ts";
import { applyInstall, installNamespace } from "../support/install.ts";
import { entryOf, hubOf, type Member, newMember, tenancyControllers, untilPoliciesWork } from "./members.ts";

const operator = `system:serviceaccount:${installNamespace}:registryhub`;
const managedBy = "app.kubernetes.io/managed-by";

let api: ApiServer;
let evil: Member;
beforeAll(async () => {
  api = await startApiServer(tenancyControllers);
  await api.applyCrds();
  await applyInstall(api, "multi-tenant");
  evil = await newMember(api, "evil");
  await newMember(api, "good");
  await untilPoliciesWork(evil);
  return () => api[Symbol.asyncDispose]();
});

const asOperator = (args: readonly string[], object: object): Promise<string> =>
  api.kubectl([...args, `--as=${operator}`], { input: JSON.stringify(object) });

/** kubectl patch, as the member, of something in the member's namespace. */
const patch = (what: string, name: string, change: object, ...flags: readonly string[]): Promise<string> =>
  evil.kubectl(["patch", what, name, "-n", "evil", "--type=merge", "-p", JSON.stringify(change), ...flags]);

describe("what a tenant's own things are", () => {
  test("a hub and an entry of the own namespace are accepted", async () => {
    await evil.wouldCreate(hubOf("evil"), entryOf("evil", "mine", {}, { addresses: ["10.96.0.1"] }));
  });
});

describe("entries in another namespace", () => {
  test("a hub that targets one is refused, and told what to do", async () => {
    await expect(evil.wouldCreate(hubOf("evil", { generate_to: "good" }))).rejects.toThrow(
      "spec.generate_to: hubs of namespace evil may not write into namespace good. Set generate_to: evil, or ask a cluster administrator for the label ecns.easystack.cn/cross-namespace-hubs=true on namespace evil",
    );
  });

  test("a hub or an entry there is refused", async () => {
    await expect(evil.wouldCreate(hubOf("good"))).rejects.toThrow(
      `User "${evil.user}" cannot create resource "registryhubs"`,
    );
    await expect(evil.wouldCreate(entryOf("good", "theirs"))).rejects.toThrow(
      `User "${evil.user}" cannot create resource "serviceentries"`,
    );
  });

  test.each(["good", "evil"])("an invitation cannot be written on namespace %s", async (namespace) => {
    const annotations = { "ecns.easystack.cn/allow-registryhubs-from": "evil" };
    const invited = { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace, annotations } };
    await expect(evil.kubectl(["apply", "--server-side", "-f", "-"], invited)).rejects.toThrow(
      'cannot patch resource "namespaces"',
    );
  });

  test("a namespace that is trusted with it may; what a hub has may stay, another target may not follow", async () => {
    const trust = (value: string) =>
      api.kubectl(["label", "namespace", "evil", `ecns.easystack.cn/cross-namespace-hubs${value}`]);
    onTestFinished(async () => void (await evil.kubectl(["delete", "registryhub", "guest", "-n", "evil"])));
    await trust("=true");
    await evil.create(hubOf("evil", { generate_to: "good" }, "guest"));
    await trust("-");
    await expect(evil.wouldCreate(hubOf("evil", { generate_to: "good" }))).rejects.toThrow(
      "spec.generate_to",
    );
    await patch("registryhub", "guest", { metadata: { annotations: { note: "x" } } });
    await patch("registryhub", "guest", { spec: { suspend: true } });
    await expect(patch("registryhub", "guest", { spec: { generate_to: "default" } })).rejects.toThrow(
      "may not write into namespace default",
    );
    await patch("registryhub", "guest", { spec: { generate_to: "evil" } });
  });
});

describe("host names of Kubernetes", () => {
  test.each(["svc", "cluster", "local", "localhost"])("a hub cannot target %s", async (generate_to) => {
    await expect(evil.wouldCreate(hubOf("evil", { generate_to }))).rejects.toThrow(
      "generate_to may not be svc, cluster, local or localhost",
    );
  });

  test("a hub cannot target the namespace of kubernetes.default", async () => {
    await expect(evil.wouldCreate(hubOf("evil", { generate_to: "default" }))).rejects.toThrow(
      "hubs of namespace evil may not write into namespace default",
    );
  });
});

describe("the operator's marks", () => {
  const hubLabel = "hub.ecns.easystack.cn/51b8f60e";
  const hubs = "ecns.easystack.cn/hubs";
  const noLabel = (name: string) =>
    `metadata.labels: only the operator may add ${name} to a ServiceEntry. Remove it; to have entries made for you create a RegistryHub`;
  const noAnnotation =
    "metadata.annotations: only the operator may say which hubs an entry belongs to. Remove the annotation ecns.easystack.cn/hubs, or leave it as it is";
  const forgeries = [
    {
      what: "the label that says ours",
      marks: { labels: { [managedBy]: "registryhub" } },
      words: noLabel(managedBy),
    },
    { what: "the label of a hub", marks: { labels: { [hubLabel]: "" } }, words: noLabel(hubLabel) },
    { what: "the name of a hub", marks: { annotations: { [hubs]: "good/hub" } }, words: noAnnotation },
  ] as const;

  test.each(forgeries)("$what cannot be put on a new entry", async ({ marks, words }) => {
    await expect(evil.wouldCreate(entryOf("evil", "forged", marks))).rejects.toThrow(words);
  });

  test.each(forgeries)("$what cannot be put on an entry that is there", async ({ marks, words }) => {
    await evil.kubectl(["apply", "-f", "-"], entryOf("evil", "honest", { labels: { [managedBy]: "me" } }));
    await expect(patch("serviceentry", "honest", { metadata: marks })).rejects.toThrow(words);
  });

  test("an entry of the operator takes edits that keep or drop them, and no more of them", async () => {
    const marks = {
      labels: { [managedBy]: "registryhub", [hubLabel]: "" },
      annotations: { [hubs]: "evil/hub" },
    };
    await asOperator(["create", "-f", "-"], entryOf("evil", "ours", marks, { addresses: ["240.241.7.7"] }));
    const edit = (change: object) => patch("serviceentry", "ours", change);
    await edit({ metadata: { labels: { team: "a" }, annotations: { note: "x" } } });
    await edit({ spec: { endpoints: [{ address: "10.0.0.1" }], exportTo: ["."] } });
    await expect(edit({ metadata: { labels: { "hub.ecns.easystack.cn/00000000": "" } } })).rejects.toThrow(
      noLabel("hub.ecns.easystack.cn/00000000"),
    );
    await expect(edit({ metadata: { annotations: { [hubs]: "evil/hub good/hub" } } })).rejects.toThrow(
      noAnnotation,
    );
    await expect(edit({ spec: { addresses: ["240.241.7.7", "240.241.7.8"] } })).rejects.toThrow(
      "spec.addresses: 240.241.7.8 may be a virtual IP",
    );
    await edit({ metadata: { labels: { [hubLabel]: null }, annotations: { [hubs]: null } } });
    await edit({ metadata: { labels: { [managedBy]: null } }, spec: { addresses: null } });
    await evil.kubectl(["delete", "serviceentry", "ours", "-n", "evil"]);
  });

  test("an entry without a spec, which Istio 1.18 lets pass, can be edited and deleted", async () => {
    const removals = [0, 1, 2].map((at) => ({
      op: "remove",
      path: `/spec/versions/${at}/schema/openAPIV3Schema/required`,
    }));
    const crd = ["crd", "serviceentries.networking.istio.io", "--type=json", "-p", JSON.stringify(removals)];
    await api.kubectl(["patch", ...crd]);
    const { spec: _, ...bare } = entryOf("evil", "bare") as { readonly spec: object };
    await eventually(() => evil.create(bare), 10_000);
    await patch("serviceentry", "bare", { metadata: { annotations: { note: "x" }, finalizers: ["a.b/c"] } });
    await expect(patch("serviceentry", "bare", { metadata: { labels: { [hubLabel]: "" } } })).rejects.toThrow(
      noLabel(hubLabel),
    );
    await evil.kubectl(["delete", "serviceentry", "bare", "-n", "evil", "--wait=false"]);
    await patch("serviceentry", "bare", { metadata: { finalizers: null } });
    await expect(evil.kubectl(["get", "serviceentry", "bare", "-n", "evil"])).rejects.toThrow("not found");
  });

  test("nobody else can speak as the operator", async () => {
    const forged = entryOf("evil", "forged", { labels: { [managedBy]: "registryhub" } });
    await expect(
      evil.kubectl(["create", `--as=${operator}`, "--validate=false", "-f", "-"], forged),
    ).rejects.toThrow("cannot impersonate");
    await expect(evil.kubectl(["create", "token", "registryhub", "-n", installNamespace])).rejects.toThrow(
      'cannot create resource "serviceaccounts/token"',
    );
    await expect(evil.kubectl(["get", "pods", "-n", installNamespace])).rejects.toThrow(
      "cannot list resource",
    );
  });

  test("an object of the old product passes", async () => {
    const old = { labels: { manager: "aeraki", registry: "dubbo2istio" } };
    await evil.wouldCreate(entryOf("evil", "old", old, { addresses: ["240.240.0.1"] }));
  });
});

describe("virtual IPs", () => {
  test.each([
    "240.241.5.6",
    "240.241.5.0/24",
    "240.241.5.6/24",
    "240.242.1.1",
    "240.0.0.0/4",
    "0.0.0.0/0",
    "::ffff:240.241.0.1",
    "::ffff:f0f1:1",
  ])("%s cannot be taken", async (address) => {
    await expect(
      evil.wouldCreate(entryOf("evil", "vip", {}, { addresses: ["10.0.0.1", address] })),
    ).rejects.toThrow(
      `spec.addresses: ${address} may be a virtual IP of the operator (240.241.0.0/16, 240.242.0.0/16). Take an address outside of these ranges`,
    );
  });

  test.each(["240.240.0.1", "10.0.0.0/8", "240.243.0.0/16", "2001:db8::1", "2001:db8::/32"])(
    "%s can",
    async (address) => {
      await evil.wouldCreate(entryOf("evil", "vip", {}, { addresses: [address] }));
    },
  );
});

describe("registries", () => {
  test("a hub has to check certificates", async () => {
    const tls = { enabled: true, insecureSkipVerify: true };
    await expect(evil.wouldCreate(hubOf("evil", { tls }))).rejects.toThrow(
      "spec.tls.insecureSkipVerify: hubs of this cluster have to check the registry's certificate. Remove the field",
    );
  });

  test("an address has no login, which everybody could read", async () => {
    const login = { type: "consul", address: "http://user:secret@consul:8500" };
    await expect(evil.wouldCreate(hubOf("evil", login))).rejects.toThrow(
      "address may not hold a user or password",
    );
  });

  test("where there is a list, only what is in it", async () => {
    await evil.create(hubOf("evil", { address: "anything:2181" }, "earlier"));
    const list = ["zookeeper.shared:2181", "zk-1.shared:2181", "https://consul.shared"].join("\n");
    const name = ["configmap", "registryhub-addresses", "-n", installNamespace];
    await api.kubectl(["create", ...name, `--from-literal=addresses=${list}\n`]);
    onTestFinished(async () => {
      await api.kubectl(["delete", ...name]);
      await evil.kubectl(["delete", "registryhub", "earlier", "-n", "evil"]);
    });
    const other = hubOf("evil", { address: "zookeeper.shared:2181,anything:2181/prod" });
    await eventually(
      () =>
        expect(evil.wouldCreate(other)).rejects.toThrow(
          "spec.address: hubs may not read anything:2181. Name one of the registries in ConfigMap servicemesh/registryhub-addresses, or ask a cluster administrator to add this one",
        ),
      30_000,
    );
    const consul = (address: string) => hubOf("evil", { type: "consul", address });
    for (const address of ["http://consul.shared", "https://consul.shared.evil:8500", "https://consul"])
      await expect(evil.wouldCreate(consul(address))).rejects.toThrow("spec.address: hubs may not read");
    await evil.wouldCreate(consul("https://Consul.shared/"));
    await evil.wouldCreate(hubOf("evil", { address: "zookeeper.shared:2181,zk-1.shared:2181/prod" }));
    await patch("registryhub", "earlier", { spec: { suspend: true } });
    await expect(patch("registryhub", "earlier", { spec: { address: "another:2181" } })).rejects.toThrow(
      "hubs may not read another:2181",
    );
    await expect(evil.kubectl(["get", ...name])).rejects.toThrow('cannot get resource "configmaps"');
  });
});

describe("Secrets", () => {
  test("a hub cannot name one of another namespace", async () => {
    const spy = hubOf("evil", { secretRef: { name: "login", namespace: "good" } });
    await expect(evil.wouldCreate(spy)).rejects.toThrow(
      '(RegistryHub.spec.secretRef): unknown field "namespace"',
    );
    const stored = ["--dry-run=server", "--validate=false", "-o", "jsonpath={.spec.secretRef}"];
    expect(await evil.kubectl(["create", "-f", "-", ...stored], spy)).toBe('{"name":"login"}');
  });

  test("the operator itself may read one by its name, and list none", async () => {
    const mayI = (verb: string) =>
      api.kubectl(["auth", "can-i", verb, "secrets", "-n", "good", `--as=${operator}`]).catch(String);
    expect((await mayI("get")).trim()).toBe("yes");
    for (const verb of ["list", "watch", "create", "patch"]) expect(await mayI(verb)).not.toMatch(/^yes/);
  });
});

describe("status and Events", () => {
  test("a hub's status cannot be written", async () => {
    await evil.kubectl(["apply", "-f", "-"], hubOf("evil", { suspend: true }));
    const forged = { ...hubOf("evil"), status: { phase: "success" } };
    const apply = ["apply", "--server-side", "--force-conflicts", "--subresource=status", "-f", "-"];
    await expect(evil.kubectl(apply, forged)).rejects.toThrow('cannot patch resource "registryhubs/status"');
    await evil.kubectl(["delete", "registryhub", "hub", "-n", "evil"]);
  });

  test("an Event in another namespace cannot be written", async () => {
    const event = { apiVersion: "v1", kind: "Event", metadata: { name: "x", namespace: "good" } };
    const involvedObject = { kind: "RegistryHub", name: "hub", namespace: "good" };
    await expect(evil.wouldCreate({ ...event, involvedObject })).rejects.toThrow(
      'cannot create resource "events"',
    );
  });
});

describe("a lane", () => {
  const critical = { labels: { "ecns.easystack.cn/lane": "critical" } };

  test("cannot be chosen, nor left, by who has hubs", async () => {
    const words =
      `metadata.labels: ${evil.user} may not move a hub of namespace evil to another lane. ` +
      "Leave the label ecns.easystack.cn/lane as it is, or ask a cluster administrator to bind you ClusterRole registryhub-lane-editor";
    await expect(evil.wouldCreate(hubOf("evil", {}, "fast", critical))).rejects.toThrow(words);
    await api.kubectl(["create", "-f", "-"], { input: JSON.stringify(hubOf("evil", {}, "fast", critical)) });
    await patch("registryhub", "fast", { spec: { suspend: true } });
    const leave = { metadata: { labels: { "ecns.easystack.cn/lane": null } } };
    await expect(patch("registryhub", "fast", leave)).rejects.toThrow(words);
    await evil.kubectl(["delete", "registryhub", "fast", "-n", "evil"]);
  });

  test("can be chosen with the right to do so", async () => {
    const binding = ["lanes", "-n", "evil"];
    await api.kubectl([
      "create",
      "rolebinding",
      ...binding,
      "--clusterrole=registryhub-lane-editor",
      "--serviceaccount=evil:member",
    ]);
    onTestFinished(async () => void (await api.kubectl(["delete", "rolebinding", ...binding])));
    await eventually(() => evil.wouldCreate(hubOf("evil", {}, "fast", critical)), 30_000);
  });
});

describe("the quota of config/tenant", () => {
  test("ends the hubs and the entries of a namespace, in words", async () => {
    await api.kubectl(["apply", "-k", "config/tenant"]);
    const team = await newMember(api, "team-a");
    const hard = {
      "count/registryhubs.ecns.easystack.cn": "2",
      "count/serviceentries.networking.istio.io": "3",
    };
    const smaller = JSON.stringify({ spec: { hard } });
    await api.kubectl([
      "patch",
      "resourcequota",
      "registryhub",
      "-n",
      "team-a",
      "--type=merge",
      "-p",
      smaller,
    ]);
    const used = () =>
      api.kubectl(["get", "resourcequota", "registryhub", "-n", "team-a", "-o", "jsonpath={.status}"]);
    // The controller looks for new resources every 30 s.
    await eventually(async () => expect(JSON.parse(await used())).toMatchObject({ hard, used: {} }), 90_000);
    const fill = async (make: (at: number) => object, limit: number, words: string): Promise<void> => {
      for (let at = 0; at < limit; at++) await team.create(make(at));
      await expect(team.create(make(limit))).rejects.toThrow(
        `exceeded quota: registryhub, requested: ${words}=1`,
      );
    };
    await fill((at) => hubOf("team-a", {}, `hub-${at}`), 2, "count/registryhubs.ecns.easystack.cn");
    await fill((at) => entryOf("team-a", `entry-${at}`), 3, "count/serviceentries.networking.istio.io");
    const lift = ["delete", "resourcequota", "registryhub", "-n", "team-a"];
    await expect(team.kubectl(lift)).rejects.toThrow('cannot delete resource "resourcequotas"');
  });
});
