import { describe, expect, test } from "vitest";
import { checks, type Diagnosis } from "../../../src/cli/doctor/checks.ts";
import { specFields } from "../../../src/cli/doctor/operator.ts";
import { neededRights } from "../../../src/cli/doctor/rights.ts";
import { parseManifests } from "../../../src/kube/manifests.ts";
import { home, hub, minute, rootNamespace, second, type World } from "../../controllers/world.ts";
import { instanceAt } from "../../fakes/registries.ts";
import { doctor, shownBelow } from "../../support/commands.ts";
import { codesOf, rowsOf, sectionOf, textOf } from "../../support/markdown.ts";
import { capturing, injector, lease, meshConfig, openHealthy, pod, putPod, sidecar } from "./doctor-scene.ts";

/** What one change of a healthy cluster makes it find. */
async function findingsAfter(change: (world: World) => unknown, scene = {}) {
  const world = await openHealthy(scene);
  await change(world);
  await world.settle();
  const { report, lines, isFine } = await doctor(world);
  return { ...(report as { readonly findings: Diagnosis["findings"] }), lines, isFine };
}

/** The first three lines, of the only finding. */
async function headAfter(change: (world: World) => unknown, scene = {}): Promise<readonly string[]> {
  const { findings, lines, isFine } = await findingsAfter(change, scene);
  expect(findings).toHaveLength(1);
  expect(isFine).toBe(false);
  expect(lines.at(-1)).toMatch(
    /^1 thing is wrong, as far as you may see: 2 of 17 checks lack what they need\.$/,
  );
  return lines.slice(0, 3);
}

const rule = (spec: object, name = "theirs") => ({
  apiVersion: "networking.istio.io/v1beta1",
  kind: "DestinationRule",
  metadata: { namespace: home, name },
  spec,
});
const peers = (namespace: string, mode: string) => ({
  apiVersion: "security.istio.io/v1beta1",
  kind: "PeerAuthentication",
  metadata: { namespace, name: "default" },
  spec: { mtls: { mode } },
});
const service = (name: string, spec: object) => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { namespace: home, name },
  spec,
});

test("a healthy cluster is fine, and what was not seen is said", async () => {
  const world = await openHealthy();
  const { lines, isFine } = await doctor(world);
  expect(lines.join("\n")).toMatchInlineSnapshot(`
    "  fine          istio, leaders, hubs, root namespace, filters, visibility, DNS, outbound ranges, Sidecars, virtual IPs, DestinationRules, VirtualServices, mTLS off, mTLS demanded, registries
      not known     crd, rights
      not seen
        the CRD of RegistryHub: you may not get it
        the operator's rights: you may not create SubjectAccessReviews

    Nothing is wrong, as far as you may see: 2 of 17 checks lack what they need."
  `);
  expect(isFine).toBe(true);
});

describe("the first three lines name cause and fix of", () => {
  test("a mesh whose proxies do not answer DNS", async () => {
    const head = await headAfter(({ person }) => {
      person.put(meshConfig("{}\n"));
      person.put(pod("shop", { dns: "false" }));
    });
    expect(head).toEqual([
      "consumers cannot resolve the hosts of hubs: their proxies do not answer DNS",
      expect.stringMatching(/^cause: ConfigMap istio-system\/istio does not say "true" in meshConfig/),
      expect.stringMatching(/^fix: {3}Set it there and restart the consumers\./),
    ]);
  });

  test("outbound ranges that leave out the virtual IPs", async () => {
    expect(await headAfter(({ person }) => person.put(injector({ includeIPRanges: "10.0.0.0/8" })))).toEqual([
      "calls to virtual IPs pass the sidecars by, and end nowhere",
      "cause: includeOutboundIPRanges has only 10.0.0.0/8 (ConfigMap istio-system/istio-sidecar-injector, global.proxy)",
      "fix:   Add 240.241.0.0/16 (--vip-cidr) to what is included, or take it out of what is excluded, and restart the consumers.",
    ]);
  });

  test("a Sidecar that has proxies listen elsewhere than at virtual IPs", async () => {
    const egress = [{ port: { number: 20_880, protocol: "TCP" }, captureMode: "NONE", hosts: ["demo/*"] }];
    expect(await headAfter(({ person }) => person.put(sidecar(egress, { namespace: home })))).toEqual([
      "calls to demo.a.demo, demo.b.demo miss their virtual IP in proxies",
      "cause: Sidecar demo/default has egress by which they listen at 127.0.0.1 (bind, captureMode)",
      "fix:   Take that out of it, or add an egress without: kubectl edit sidecar -n demo default",
    ]);
  });

  test.each([
    ["the mesh's ConfigMap", "istio"],
    ["that of a revision", "istio-canary"],
  ])("another root namespace in %s", async (_, name) => {
    const mesh = `${capturing}rootNamespace: mesh\n`;
    expect(await headAfter(({ person }) => person.put(meshConfig(mesh, name)))).toEqual([
      "the EnvoyFilters in istio-system act on that namespace alone (FAQ 4.6)",
      `cause: meshConfig.rootNamespace is mesh (ConfigMap istio-system/${name}), and --root-namespace is istio-system`,
      expect.stringMatching(/^fix: {3}Give both controllers --root-namespace=mesh/),
    ]);
  });

  test("a mesh that hides the entries", async () => {
    const hiding = "serviceEntryVisibility: { defaultVisibility: NAMESPACE, applyToSidecars: true }\n";
    const { findings } = await findingsAfter(({ person }) => person.put(meshConfig(capturing + hiding)));
    expect(findings).toContainEqual({
      check: "visibility",
      severity: "fault",
      wrong: "the mesh hides the hosts of namespace demo",
      cause: expect.stringContaining(
        "meshConfig.serviceEntryVisibility (ConfigMap istio-system/istio) hides",
      ),
      fix: expect.stringContaining("policy with visibility PUBLIC"),
    });
  });

  test.each([
    [
      "Services",
      (world: World) => world.person.put(service("odd", { clusterIP: "240.241.3.4" })),
      "demo/odd",
    ],
    [
      "pods of nodes",
      ({ person }: World) =>
        person.put({
          apiVersion: "v1",
          kind: "Node",
          metadata: { name: "n1" },
          spec: { podCIDR: "240.0.0.0/8" },
        }),
      "n1",
    ],
    [
      "ServiceEntries of others",
      ({ person }: World) =>
        person.put({
          apiVersion: "networking.istio.io/v1beta1",
          kind: "ServiceEntry",
          metadata: { namespace: home, name: "theirs" },
          spec: { hosts: ["theirs.example"], addresses: ["240.241.9.0/24"], ports: [], endpoints: [] },
        }),
      "demo/theirs",
    ],
  ])("%s with addresses of the virtual IPs' range", async (whose, change, who) => {
    expect((await headAfter(change)).slice(0, 2)).toEqual([
      `${whose} have addresses in the range of the virtual IPs, so calls may reach either`,
      `cause: ${who}: in 240.241.0.0/16 (--vip-cidr)`,
    ]);
  });

  test("a DestinationRule that calls every endpoint by TLS", async () => {
    const spec = { host: "*.demo", trafficPolicy: { tls: { mode: "ISTIO_MUTUAL" } } };
    expect(await headAfter(({ person }) => person.put(rule(spec)))).toEqual([
      "calls to demo.a.demo, demo.b.demo are by TLS, also where providers do not speak it: those run into their time-out",
      "cause: DestinationRule demo/theirs sets tls.mode ISTIO_MUTUAL for all endpoints",
      expect.stringMatching(/kubectl edit destinationrule -n demo theirs$/),
    ]);
  });

  test("a DestinationRule by which a Spring host loses outlier detection (U14)", async () => {
    const orders = [instanceAt("10.42.0.7:9000", "spring")];
    const head = await headAfter(
      ({ person }) => {
        person.put(rule({ host: "*.demo", trafficPolicy: { outlierDetection: {} } }, "wide"));
        person.put(rule({ host: "orders.demo", trafficPolicy: { loadBalancer: { simple: "ROUND_ROBIN" } } }));
      },
      { services: { orders } },
    );
    expect(head).toEqual([
      "calls to orders.demo go on to endpoints that cannot be reached",
      "cause: DestinationRule demo/theirs has no outlierDetection, and DestinationRule demo/wide, which has it, does not count beside a rule for fewer hosts",
      expect.stringMatching(/^fix: /),
    ]);
  });

  test("a PeerAuthentication that turns mTLS off where the entries are", async () => {
    const head = await headAfter(async (world) => {
      putPod(world, pod("provider", { ip: "10.42.0.1", namespace: "default" }));
      await world.advance(5 * second);
      world.person.put(peers(home, "DISABLE"));
    });
    expect(head).toEqual([
      "calls to 1 host of demo are in plain text, also where providers speak mTLS",
      "cause: PeerAuthentication demo/default says DISABLE for the namespace of the ServiceEntries",
      expect.stringMatching(/^fix: {3}Say PERMISSIVE there/),
    ]);
  });

  test("a provider that demands mTLS of a hub that says identity: none", async () => {
    const head = await headAfter(
      (world) => {
        putPod(world, pod("provider", { ip: "10.42.0.1" }));
        world.person.put(peers(rootNamespace, "STRICT"));
      },
      { spec: { identity: "none" } },
    );
    expect(head).toEqual([
      "calls to demo.a.demo are refused, and may end the caller's proxy",
      "cause: mTLS is STRICT at pod demo/provider (10.42.0.1:20880), and the ServiceEntry has it called in plain text",
      "fix:   Take spec.identity: none out of RegistryHub demo/hub.",
    ]);
  });

  test("a registry with a sidecar", async () => {
    const head = await headAfter(({ person }) => {
      person.put(service("zk", { clusterIP: "10.0.0.9", selector: { app: "zk" } }));
      person.put(pod("zk-0", { labels: { app: "zk" } }));
    });
    expect(head[1]).toBe("cause: pods demo/zk-0 of Service demo/zk have one");
  });

  test("a Eureka with sidecars behind a headless Service (FAQ 4.7)", async () => {
    const { findings } = await findingsAfter((world) => {
      world.person.put(service("eureka", { clusterIP: "None", selector: { app: "eureka" } }));
      putPod(world, pod("eureka-0", { labels: { app: "eureka" } }));
      const address = "http://eureka-0.eureka.demo.svc.cluster.local:8761/eureka";
      world.person.put(hub({ type: "eureka", address, suspend: true }, { name: "spring" }));
    });
    expect(findings).toMatchObject([
      {
        check: "registries",
        faq: "4.7",
        cause: "pods demo/eureka-0 of the headless Service demo/eureka have one",
      },
    ]);
  });

  test("a Lease that nobody renews", async () => {
    const head = await headAfter(({ person, clock }) =>
      person.put(lease("registryhub", clock.now() - 5 * minute)),
    );
    expect(head.slice(0, 2)).toEqual([
      "nobody leads as registryhub, so entries do not follow the registries",
      "cause: Lease istio-system/registryhub was last renewed 5m ago, by registryhub-1, and holds for 15s",
    ]);
  });

  test("a lane whose Lease nobody holds, though no other Lease is missed", async () => {
    const head = await headAfter(({ person, clock }) => {
      person.delete("leases", `${rootNamespace}/registryhub`);
      person.put(lease("registryhub-0a1b2c3d", clock.now()));
      person.put(lease("registryhub-ffffffff", clock.now(), ""));
    });
    expect(head[1]).toBe("cause: Lease istio-system/registryhub-ffffffff has no holder");
  });

  test("a hub that is not Ready", async () => {
    const head = await headAfter(async (world) => {
      world.registry().fail();
      await world.advance(minute);
      for (const name of ["registryhub", "dubbo-controller"])
        world.person.put(lease(name, world.clock.now()));
    });
    expect(head[0]).toBe("RegistryHub demo/hub is not Ready: RegistryUnreachable (FAQ 4.4)");
  });

  test("Dubbo services without a filter, all of them as one", async () => {
    const head = await headAfter(async (world) => {
      await world.dubboController.stop();
      for (const one of world.person.list("envoyfilters"))
        world.person.delete("envoyfilters", `${rootNamespace}/${one.metadata.name}`);
    });
    expect(head[0]).toBe(
      "demo.a.demo, demo.b.demo: each connection sticks to one provider, because there is no EnvoyFilter (FAQ 4.6)",
    );
  });

  test("a cluster without Istio", async () => {
    const { findings } = await findingsAfter(({ api }) => api.removeCrds("networking.istio.io"));
    expect(findings[0]).toMatchObject({
      check: "istio",
      wrong: "Istio's CRDs are missing, so hubs write nothing",
      cause: expect.stringContaining("the cluster has no serviceentries.networking.istio.io"),
    });
  });

  test("a version of Istio that nobody tried", async () => {
    const istiod = pod("istiod", {
      labels: { app: "istiod" },
      hasSidecar: false,
      image: "istio/pilot:1.17.8",
    });
    expect((await headAfter(({ person }) => person.put(istiod)))[1]).toBe(
      "cause: istiod runs istio/pilot:1.17.8; tried are 1.18 to 1.31",
    );
  });
});

describe("a route of a VirtualService that no call reaches (FAQ 4.8)", () => {
  const prefix = (text: string) => [{ uri: { prefix: text } }];
  const tag = (text: string) => [{ headers: { "dubbo.tag": { exact: text } } }];
  const sayHello = [{ uri: { exact: "/sayHello" } }];
  test.each<[string, readonly (readonly object[])[], string | undefined]>([
    [
      "a shorter prefix in front",
      [prefix("/usrv"), prefix("/usrv-expand")],
      "spec.http[0] takes whatever spec.http[1] would",
    ],
    ["a prefix of an exact path in front", [prefix("/say"), sayHello], "spec.http[0] takes"],
    ["everything in front", [[], tag("gray")], "spec.http[0] takes whatever spec.http[1]"],
    ["the same twice", [tag("gray"), prefix("/a"), tag("gray")], "spec.http[0] takes whatever spec.http[2]"],
    [
      "the header alone, then with a path",
      [tag("gray"), [{ ...tag("gray")[0], ...sayHello[0] }]],
      "spec.http[0] takes",
    ],
    ["a longer prefix in front", [prefix("/usrv-expand"), prefix("/usrv")], undefined],
    ["another tag in front", [tag("blue"), tag("gray"), []], undefined],
    [
      "upper case in front of any case",
      [prefix("/A"), [{ ...prefix("/A")[0], ignoreUriCase: true }]],
      undefined,
    ],
    ["a header called name", [[{ headers: { name: { exact: "a" } } }], tag("gray")], undefined],
    ["a narrower one in front", [[{ ...tag("gray")[0], ...sayHello[0] }], tag("gray"), []], undefined],
  ])("%s", async (_, matches, cause) => {
    const http = matches.map((match) => ({ ...(match.length > 0 && { match }), route: [] }));
    const { findings } = await findingsAfter(({ person }) =>
      person.put({
        apiVersion: "networking.istio.io/v1beta1",
        kind: "VirtualService",
        metadata: { namespace: home, name: "theirs" },
        spec: { hosts: ["demo.a.demo"], http },
      }),
    );
    const told = findings.map((one) => one.cause.slice(0, cause?.length));
    expect(told).toEqual(cause === undefined ? [] : [cause]);
  });
});

describe("what is not wrong", () => {
  test("a pod without DNS capture, and a Sidecar that hides hosts, are only said", async () => {
    const { findings, isFine, lines } = await findingsAfter((world) => {
      putPod(world, pod("silent", { namespace: "default", dns: "false" }));
      world.person.put(sidecar([{ hosts: ["./*", "istio-system/*"] }]));
    });
    expect(isFine).toBe(true);
    expect(findings).toMatchObject([
      { check: "DNS", severity: "caution", wrong: "1 pod with a sidecar cannot resolve the hosts of hubs" },
      {
        check: "Sidecars",
        severity: "caution",
        wrong: "pods in default do not see 2 hosts of demo",
        cause: "Sidecar istio-system/default restricts egress, and lacks demo/*",
        faq: "4.3",
      },
    ]);
    expect(lines[0]).toBe("if these pods call hosts of hubs:");
  });

  test("Sidecars of many namespaces are said once", async () => {
    const { findings, isFine } = await findingsAfter((world) => {
      for (const namespace of ["n1", "n2", "n3", "n4", "n5"]) {
        world.person.createNamespace(namespace);
        putPod(world, pod("app", { namespace }));
        world.person.put(sidecar([{ hosts: ["./*"] }], { namespace }));
      }
    });
    expect(isFine).toBe(true);
    expect(findings.map(({ wrong, cause }) => [wrong, cause])).toEqual([
      [
        "pods in n1, n2, n3 and 2 more do not see 2 hosts of demo",
        "Sidecar n1/default, n2/default, n3/default and 2 more restricts egress, and lacks demo/*",
      ],
    ]);
  });

  test("a mesh without DNS capture whose consumers are ambient", async () => {
    const { findings } = await findingsAfter((world) => {
      world.person.put(meshConfig("{}\n"));
      const annotations = { "ambient.istio.io/redirection": "enabled" };
      putPod(world, pod("shop", { hasSidecar: false, annotations }));
    });
    expect(findings).toEqual([]);
  });

  test("a host that loses a rule's outlier detection and inherits the mesh's (Istio 1.31)", async () => {
    const { findings } = await findingsAfter(
      ({ person }) => {
        person.put(meshConfig(`${capturing}defaultTrafficPolicy: { outlierDetection: {} }\n`));
        person.put(rule({ host: "*.demo", trafficPolicy: { outlierDetection: {} } }, "wide"));
        person.put(rule({ host: "orders.demo" }));
      },
      { services: { orders: [instanceAt("10.42.0.7:9000", "spring")] } },
    );
    expect(findings).toEqual([]);
  });

  test.each([
    ["a Dubbo host with a rule without outlierDetection, which its port has", { host: "demo.a.demo" }],
    ["a rule for a host of somebody else", { host: "a.example", trafficPolicy: { tls: { mode: "SIMPLE" } } }],
  ])("%s", async (_, spec) => {
    const { findings } = await findingsAfter(({ person }) => {
      person.put(rule({ host: "*.demo", trafficPolicy: { outlierDetection: {} } }, "wide"));
      person.put(rule(spec));
    });
    expect(findings).toEqual([]);
  });
});

test("as docs/commands.md shows it", async () => {
  const { lines } = await findingsAfter((world) => {
    world.person.put(meshConfig("{}\n"));
    putPod(world, pod("shop", { dns: "false" }));
    world.person.put(sidecar([{ hosts: ["./*", "istio-system/*"] }]));
    putPod(world, pod("cart", { namespace: "default", dns: "false" }));
  });
  expect(lines.join("\n")).toBe(shownBelow("kubectl registryhub doctor"));
});

test("of many findings of one check some are shown", async () => {
  const tls = { trafficPolicy: { tls: { mode: "SIMPLE" } } };
  const { findings, lines } = await findingsAfter(({ person }) => {
    for (let at = 0; at < 8; at++) person.put(rule({ host: "demo.a.demo", ...tls }, `theirs-${at}`));
  });
  expect(findings).toHaveLength(8);
  expect(lines.filter((line) => line.startsWith("cause: "))).toHaveLength(5);
  expect(lines).toContain("and 3 more of the check DestinationRules: -o wide");
});

test("nothing is concluded from what is not seen", async () => {
  const world = await openHealthy();
  for (const resource of [
    "configmaps",
    "pods",
    "sidecars",
    "nodes",
    "leases",
    "envoyfilters",
    "peerauthentications",
  ])
    world.api.forbid({ resource, user: "alice" });
  const { report, isFine, lines } = await doctor(world);
  expect(isFine).toBe(true);
  expect(report).toMatchObject({
    findings: [],
    fine: ["hubs", "DestinationRules", "VirtualServices"],
  });
  expect(lines).toContainEqual(expect.stringMatching(/^ +pods: you may not list them$/));
});

test("what is seen in part proves that something is there, and not that it is missing", async () => {
  const seenInPart = (resource: string) => ({ resource, user: "alice", namespace: "" });
  const world = await openHealthy();
  const { api, person } = world;
  for (const resource of ["envoyfilters", "peerauthentications", "sidecars", "destinationrules"])
    api.forbid(seenInPart(resource));
  api.forbid({ resource: "envoyfilters", user: "alice", namespace: rootNamespace });
  person.put(sidecar([{ hosts: ["./*"] }]));
  putPod(world, pod("cart", { namespace: "default" }));
  person.put(rule({ host: "demo.a.demo", trafficPolicy: { tls: { mode: "SIMPLE" } } }));
  const { report, lines } = await doctor(world);
  expect(report).toMatchObject({
    findings: [{ check: "DestinationRules", severity: "fault" }],
    unknown: ["crd", "rights", "filters", "Sidecars", "mTLS off", "mTLS demanded"],
  });
  expect(lines).toContainEqual(expect.stringMatching(/envoyfilters.*you may list only those of demo/));
});

test("who may list neither hubs nor entries gets no diagnosis", async () => {
  const world = await openHealthy();
  world.api.forbid({ resource: "serviceentries", user: "alice" });
  await expect(doctor(world)).rejects.toMatchObject({ reason: "Forbidden" });
});

test("docs/commands.md has a row for every check, in order", () => {
  const rows = rowsOf(sectionOf(textOf("docs/commands.md"), "## doctor"));
  expect(rows.flatMap(([names = ""]) => codesOf(names))).toEqual(Object.keys(checks));
});

test("the fields that a CRD has to have are those of ours", () => {
  const [crd] = parseManifests(textOf("crds/registryhub.yaml")) as readonly [Crd];
  expect([...specFields]).toEqual(
    Object.keys(crd.spec.versions[0].schema.openAPIV3Schema.properties.spec.properties).sort(),
  );
});

interface Crd {
  readonly spec: {
    readonly versions: readonly [
      {
        readonly schema: {
          readonly openAPIV3Schema: {
            readonly properties: { readonly spec: { readonly properties: object } };
          };
        };
      },
    ];
  };
}

interface Role {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly rules: readonly {
    readonly apiGroups: readonly string[];
    readonly resources: readonly string[];
    readonly resourceNames?: readonly string[];
    readonly verbs: readonly string[];
  }[];
}

test.each(["registryhub", "dubbo-controller"])(
  "the rights that %s has to have are those of config/rbac",
  (account) => {
    const roles = (parseManifests(textOf(`config/rbac/${account}.yaml`)) as readonly Role[]).filter(
      ({ kind }) => ["Role", "ClusterRole"].includes(kind),
    );
    const granted = roles.flatMap(({ kind, rules }) =>
      rules.flatMap(({ apiGroups: [group], resources, resourceNames: [name = ""] = [], verbs }) =>
        resources.flatMap((resource) =>
          verbs.map(
            (verb) => `${kind === "Role" ? "namespace" : "cluster"} ${verb} ${resource}.${group} ${name}`,
          ),
        ),
      ),
    );
    const needed = neededRights({
      rootNamespace,
      leaderElectNamespace: rootNamespace,
      secretNamespaces: [""],
      identity: true,
      rules: true,
    })
      .filter((one) => one.account === account)
      .map(({ verb, resource: { plural, group }, subresource, namespace, name }) => {
        const type = subresource ? `${plural}/${subresource}` : plural;
        return `${namespace === "" ? "cluster" : "namespace"} ${verb} ${type}.${group} ${name}`;
      });
    const isOptional = (right: string): boolean => / (configmaps|services)\./.test(right);
    expect(needed.toSorted()).toEqual(granted.filter((one) => !isOptional(one)).sort());
  },
);
