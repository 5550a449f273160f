import { describe, expect, test } from "vitest";
import { tooManyRequests } from "../fakes/api-server/answer.ts";
import { said, statusOf, warningsOf, writesSince } from "./looks.ts";
import { edit, openSettled } from "./scenes.ts";
import { home, hub, minute, openWorld, rootNamespace, second, type World } from "./world.ts";

const problems = (world: World): readonly string[] =>
  statusOf(world).problems.map(({ problem, severity }) => `${severity} ${problem.split(":")[0]}`);

const meshConfig = (mesh: string, name = "istio") => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { namespace: rootNamespace, name, labels: { "istio.io/rev": "any" } },
  data: { mesh },
});
const hiding = "serviceEntryVisibility: { defaultVisibility: NAMESPACE, applyToSidecars: true }\n";

const labelled = (name: string, labels: Readonly<Record<string, string>>) => ({
  apiVersion: "v1",
  kind: "Namespace",
  metadata: { name, labels },
});

describe("a mesh that hides the entries of the hub's target (U15)", () => {
  test("is a warning within a minute, until the mesh shows them again; the hub is a success all the same", async () => {
    const world = await openSettled();
    expect(problems(world)).toEqual([]);
    world.person.put(meshConfig(hiding));
    await world.advance(71 * second); // it looks once a minute if there is something to see, and every ten if not
    expect(problems(world)).toEqual([]);
    await world.advance(10 * minute);
    expect(problems(world)).toEqual(["warning HiddenByMesh"]);
    expect(said(world)).toMatchObject({ phase: "success", Ready: "True Ready" });
    expect(statusOf(world).rejected).toBe(0);
    world.person.put(meshConfig("{}\n"));
    await world.advance(71 * second);
    expect(problems(world)).toEqual([]);
    world.person.put(meshConfig(hiding));
    await world.advance(71 * second);
    expect(problems(world)).toEqual(["warning HiddenByMesh"]);
  });

  test("is no warning for a namespace that a policy shows, as soon as it has the label", async () => {
    const policy =
      "{ visibility: PUBLIC, matchingRules: [{ namespaceSelector: { matchLabels: { seen: 'yes' } } }] }";
    const world = openWorld();
    world.person.put(meshConfig(hiding.replace("}", `, policies: [${policy}] }`)));
    world.person.put(hub());
    await world.hubController.start();
    await world.advance(1 * minute);
    expect(problems(world)).toEqual(["warning HiddenByMesh"]);
    world.person.put(labelled(home, { seen: "yes" }));
    await world.advance(11 * second);
    expect(problems(world)).toEqual([]);
  });

  test("costs a restart no write, also while the settings are not there yet", async () => {
    const world = openWorld();
    world.person.put(meshConfig(hiding));
    world.registry().lists({ "demo.A": ["10.42.0.1:20880"] });
    world.person.put(hub());
    await world.hubController.start();
    await world.advance(2 * minute);
    expect(problems(world)).toEqual(["warning HiddenByMesh"]);
    const before = world.writes().length;
    const gate = world.api.hold({ resource: "configmaps" });
    await world.hubController.restart();
    await world.advance(2 * minute);
    expect(writesSince(world, before)).toEqual([]);
    gate.open();
    await world.advance(2 * minute);
    expect(writesSince(world, before)).toEqual([]);
  });

  test("stays what it was while the API server does not say what there is", async () => {
    const world = await openSettled();
    world.person.put(meshConfig(hiding));
    await world.advance(10 * minute);
    const end = world.api.refuse({ resource: "configmaps" }, () => tooManyRequests(7));
    world.person.put(meshConfig("{}\n"));
    await world.advance(10 * minute);
    expect(problems(world)).toEqual(["warning HiddenByMesh"]);
    end();
    await world.advance(71 * second);
    expect(problems(world)).toEqual([]);
  });

  test("is found in the ConfigMap of a revision where those may be listed", async () => {
    const world = openWorld();
    world.person.put(meshConfig("{}\n"));
    world.person.put(meshConfig(hiding, "istio-canary"));
    world.person.put(hub());
    await world.hubController.start();
    await world.advance(1 * minute);
    expect(statusOf(world).problems[0]?.problem).toContain(`ConfigMap ${rootNamespace}/istio-canary`);
  });

  test("is not known without the right to read ConfigMaps, and nothing else is missing", async () => {
    const world = openWorld();
    world.person.put(meshConfig(hiding));
    world.api.forbid({ resource: "configmaps" });
    world.registry().lists({ "demo.A": ["10.42.0.1:20880"] });
    world.person.put(hub());
    await world.hubController.start();
    await world.advance(30 * minute);
    expect(said(world)).toMatchObject({ phase: "success", Ready: "True Ready", Applied: "True Applied" });
    expect(problems(world)).toEqual([]);
    expect(warningsOf(world)).toEqual([]);
    expect(world.hubController.log.filter(({ level }) => level === "warn")).toEqual([]);
  });

  test("is no matter of the hub if the settings are no YAML", async () => {
    const world = openWorld();
    world.person.put(meshConfig("a: [\n"));
    world.person.put(hub());
    await world.hubController.start();
    await world.advance(1 * minute);
    expect(said(world)).toMatchObject({ phase: "success" });
    expect(problems(world)).toEqual([]);
  });
});

describe("ambient namespaces (U9)", () => {
  const ambient = labelled("web", { "istio.io/dataplane-mode": "ambient" });

  test("are a warning on a hub of Dubbo services, while they are there and the hub wants filters", async () => {
    const world = await openSettled();
    world.person.put(ambient);
    await world.advance(11 * second);
    expect(problems(world)).toEqual(["warning AmbientNoL7"]);
    expect(statusOf(world).problems[0]?.problem).toContain("(web)");
    edit(world, { l7: false });
    await world.advance(11 * second);
    expect(problems(world)).toEqual([]);
    edit(world, { l7: true });
    await world.advance(11 * second);
    expect(problems(world)).toEqual(["warning AmbientNoL7"]);
    world.person.put(labelled("web", {}));
    await world.advance(11 * second);
    expect(problems(world)).toEqual([]);
  });

  test("are none on a hub of Spring services", async () => {
    const world = openWorld();
    world.person.put(ambient);
    world.registry("consul").lists({ orders: ["10.42.0.4:8080"] }, "spring");
    world.person.put(hub({ type: "consul", address: "consul" }));
    await world.hubController.start();
    await world.advance(1 * minute);
    expect(said(world)).toMatchObject({ phase: "success" });
    expect(problems(world)).toEqual([]);
  });

  test("cost a restart no write", async () => {
    const world = await openSettled();
    world.person.put(ambient);
    await world.advance(30 * second);
    const before = world.writes().length;
    await world.hubController.restart();
    await world.advance(5 * minute);
    expect(problems(world)).toEqual(["warning AmbientNoL7"]);
    expect(writesSince(world, before)).toEqual([]);
  });
});
