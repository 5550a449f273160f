import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Controller } from "../../src/config-options.ts";
import { annotations, fieldManagers, labels } from "../../src/model/labels.ts";
import { hubIdOf } from "../../src/translate/names.ts";
import { type ControllerProcess, startController } from "../support/controllers.ts";
import { eventually } from "../support/eventually.ts";
import {
  flagsOf,
  installNamespace,
  kubeconfigAs,
  type Role,
  renderInstall,
  rolesIn,
  type Workload,
} from "../support/install.ts";
import { newTenant, providerUrl, quickly, type Tenant, useWorld } from "./world.ts";

/** A list that is refused is asked for again after 5 s, a hub that is missing is gone after 3 s. */
const TOLD_MS = 60_000;

const objects = await renderInstall("default");

/** Where a person finds what is missing. */
type Place = "condition" | "event" | "log" | "readyz";

/** One verb on one resource that a role grants. */
interface Permission {
  readonly role: Role;
  readonly verb: string;
  /** "registryhubs/status". */
  readonly resource: string;
}

/** What cannot be said on a hub is said in an Event, in /readyz or, where the API takes nothing from us, in the log. */
const places: Readonly<Record<Workload, Readonly<Record<string, Place>>>> = {
  registryhub: {
    "get registryhubs": "log",
    "list registryhubs": "log",
    "watch registryhubs": "log",
    "patch registryhubs/status": "event",
    "list serviceentries": "condition",
    "watch serviceentries": "condition",
    "create serviceentries": "condition",
    "patch serviceentries": "condition",
    "delete serviceentries": "condition",
    "list namespaces": "condition",
    "watch namespaces": "condition",
    "list services": "log",
    "watch services": "log",
    "get configmaps": "log",
    "list pods": "log",
    "watch pods": "log",
    "list peerauthentications": "log",
    "watch peerauthentications": "log",
    "get secrets": "condition",
    "create events": "log",
    "patch events": "log",
    "create leases": "readyz",
    "get leases": "readyz",
    "patch leases": "readyz",
  },
  "dubbo-controller": {
    "list serviceentries": "event",
    "watch serviceentries": "event",
    "list registryhubs": "event",
    "watch registryhubs": "event",
    "list envoyfilters": "event",
    "watch envoyfilters": "event",
    "create envoyfilters": "event",
    "patch envoyfilters": "event",
    "delete envoyfilters": "event",
    "list virtualservices": "log",
    "watch virtualservices": "log",
    "list destinationrules": "log",
    "watch destinationrules": "log",
    "get configmaps": "log",
    "list configmaps": "log",
    "create events": "log",
    "patch events": "log",
    "create leases": "readyz",
    "get leases": "readyz",
    "patch leases": "readyz",
  },
};

const world = useWorld();
beforeAll(async () => {
  const tenant = await newTenant(world);
  await tenant.provide(providerUrl("org.example.Routed", "10.42.9.1:20880"));
  await tenant.applyHub();
  await untilRouted();
  await world.controllers.kill();
});

describe.each<{ workload: Workload; command: Controller; extra: readonly string[] }>([
  { workload: "registryhub", command: "hub-controller", extra: [...quickly, "--page-port=0"] },
  { workload: "dubbo-controller", command: "dubbo-controller", extra: ["--log-level=debug"] },
])("$workload", ({ workload, command, extra }) => {
  const granted = permissionsOf(workload);
  const subject = `system:serviceaccount:${installNamespace}:${workload}`;

  test("is granted what the table here knows, and no more", () => {
    expect(granted.map(nameOf).toSorted()).toEqual(Object.keys(places[workload]).toSorted());
  });

  test.each(granted.map((permission) => ({ name: nameOf(permission), ...permission })))(
    "says so when it may not $name",
    async ({ name, ...permission }) => {
      const tenant = await newTenant(world);
      await giveWork(workload, tenant);
      await take([permission, ...granted.filter((other) => leadsTo(name, nameOf(other)))]);
      await eventually(async () => expect(await mayI(permission, subject)).toBe(false), TOLD_MS);
      await using controller = await startController(command, await kubeconfigAs(world.api, workload), [
        ...flagsOf(objects, workload),
        ...extra,
      ]);
      const sentence = `User "${subject}" cannot ${permission.verb} resource "${permission.resource}"`;
      const place = places[workload][name] ?? "log";
      const find = async () => expect(await said(place, controller, tenant)).toContain(sentence);
      await eventually(find, TOLD_MS);
    },
  );
});

/** Waits until the dubbo-controller has made what belongs to the first service. */
const untilRouted = (): Promise<void> =>
  eventually(async () => {
    expect(await world.cluster.envoyFilters(installNamespace)).toHaveLength(2);
  }, TOLD_MS);

function permissionsOf(workload: Workload): readonly Permission[] {
  return rolesIn(objects)
    .filter(({ metadata }) => metadata.name.startsWith(workload))
    .filter(({ metadata }) => !/-(viewer|editor)$/.test(metadata.name))
    .flatMap((role) =>
      role.rules.flatMap(({ resources, verbs }) =>
        resources.flatMap((resource) => verbs.map((verb) => ({ role, verb, resource }))),
      ),
    );
}

const nameOf = ({ verb, resource }: Permission): string => `${verb} ${resource}`;

/** Events are written when something else is refused. */
const leadsTo = (name: string, other: string): boolean =>
  name.endsWith(" events") && (other === "patch registryhubs/status" || other === "create envoyfilters");

/** Something to do for every verb: to create, to change and to delete; with no trace of an earlier leader. */
async function giveWork(workload: Workload, tenant: Tenant): Promise<void> {
  const { api } = world;
  const { namespace } = tenant;
  await api.kubectl(["delete", "lease", "--all", "-n", installNamespace]);
  if (workload === "dubbo-controller") {
    await api.kubectl(["delete", "envoyfilter", "--all", "-n", installNamespace]);
    return apply(orphanFilter(namespace));
  }
  const secret = { apiVersion: "v1", kind: "Secret", metadata: { name: "login", namespace } };
  await apply({ ...secret, stringData: { username: "u", password: "p" } });
  await tenant.provide(providerUrl("org.example.Created", "10.42.9.2:20880"));
  await tenant.applyHub({ secretRef: { name: "login" } });
  await apply(emptyEntry(namespace, "hub"));
  await apply(emptyEntry(namespace, "deleted-hub"));
}

const apply = async (object: object): Promise<void> =>
  void (await world.api.kubectl(["apply", "-f", "-"], { input: JSON.stringify(object) }));

/** What a hub once listed, empty for long enough to be deleted. */
function emptyEntry(namespace: string, hub: string): object {
  const key = `${namespace}/${hub}`;
  return {
    apiVersion: "networking.istio.io/v1beta1",
    kind: "ServiceEntry",
    metadata: {
      name: `left-by-${hub}`,
      namespace,
      labels: { [labels.managedBy]: fieldManagers.registryhub, [labels.hub + hubIdOf(key)]: "" },
      annotations: { [annotations.hubs]: key, [annotations.emptySince]: "2024-02-04T03:00:00Z" },
    },
    spec: {
      hosts: [`left-by-${hub}.${namespace}`],
      addresses: [`240.241.${hub === "hub" ? 77 : 78}.${namespace.slice(1)}`], // t1, t2, …
      location: "MESH_INTERNAL",
      resolution: "STATIC",
      ports: [{ name: "tcp-metaprotocol-dubbo", number: 20880, protocol: "tcp" }],
    },
  };
}

/** A filter of ours whose ServiceEntry is gone. */
function orphanFilter(namespace: string): object {
  return {
    apiVersion: "networking.istio.io/v1alpha3",
    kind: "EnvoyFilter",
    metadata: {
      name: "aeraki-outbound-gone",
      namespace: installNamespace,
      labels: { [labels.managedBy]: fieldManagers.dubbo },
      annotations: { [annotations.serviceEntry]: `${namespace}/gone` },
    },
    spec: { priority: 10 },
  };
}

/** Takes the permissions from their roles until the test is over. */
async function take(permissions: readonly Permission[]): Promise<void> {
  for (const [role, taken] of Map.groupBy(permissions, (permission) => permission.role)) {
    const isTaken = (resources: readonly string[], verb: string): boolean =>
      taken.some((one) => one.verb === verb && resources.includes(one.resource));
    const rules = role.rules
      .map((rule) => ({ ...rule, verbs: rule.verbs.filter((verb) => !isTaken(rule.resources, verb)) }))
      .filter(({ verbs }) => verbs.length > 0);
    onTestFinished(() => apply(role));
    await apply({ ...role, rules });
  }
}

async function mayI({ role, verb, resource }: Permission, subject: string): Promise<boolean> {
  const [type = "", subresource] = resource.split("/");
  const rule = role.rules.find(
    ({ resources, verbs }) => resources.includes(resource) && verbs.includes(verb),
  );
  const [group = ""] = rule?.apiGroups ?? [];
  const [name] = rule?.resourceNames ?? [];
  const what = `${group === "" ? type : `${type}.${group}`}${name ? `/${name}` : ""}`;
  const flags = [
    "-n",
    installNamespace,
    `--as=${subject}`,
    ...(subresource ? [`--subresource=${subresource}`] : []),
  ];
  try {
    return (await world.api.kubectl(["auth", "can-i", verb, what, ...flags])).trim() === "yes";
  } catch {
    return false; // kubectl's way to say no is an exit code
  }
}

/** Everything that is said in the place. */
async function said(place: Place, controller: ControllerProcess, tenant: Tenant): Promise<string> {
  switch (place) {
    case "condition":
      return ((await tenant.hub()).status?.conditions ?? []).map(({ message }) => message).join("\n");
    case "event": {
      const { items } = await world.cluster.get<{ items: readonly { message: string }[] }>("/api/v1/events");
      return items.map(({ message }) => message).join("\n");
    }
    case "log":
      return controller
        .log()
        .map(({ error }) => String(error))
        .join("\n");
    case "readyz":
      return (await controller.get("/readyz")).body;
  }
}
