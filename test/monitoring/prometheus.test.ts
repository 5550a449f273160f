import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { type Prometheus, startPrometheus } from "../bed/prometheus.ts";
import { temporaryFolder } from "../bed/watchdog.ts";
import { newTenant, providerUrl, STATUS_MS, type Tenant, untilReady, useWorld } from "../e2e/world.ts";
import type { ControllerProcess } from "../support/controllers.ts";
import { eventually } from "../support/eventually.ts";
import { installNamespace } from "../support/install.ts";
import { alertRules, dashboardQueries, ruleGroups } from "../support/monitoring.ts";

// A real Prometheus scrapes both controllers while they work, with the labels that the PodMonitor gives.

const world = useWorld();
let prometheus: Prometheus;
let tenant: Tenant;

const portOf = (controller: ControllerProcess): number =>
  Number(controller.log().findLast(({ msg }) => msg === "serving")?.port);

beforeAll(async () => {
  tenant = await newTenant(world);
  await tenant.provide(providerUrl("org.example.A", "10.42.9.1:20880"));
  await tenant.applyHub();
  await untilReady(tenant);
  const rulesFile = join(temporaryFolder("rules").path, "rules.json");
  writeFileSync(rulesFile, JSON.stringify(ruleGroups()));
  const { hub, dubbo } = world.controllers;
  const targets = [
    { job: "registryhub", controller: hub },
    { job: "dubbo-controller", controller: dubbo },
  ].map(({ job, controller }) => ({
    port: portOf(controller),
    labels: { job, namespace: installNamespace, pod: `${job}-0` },
  }));
  prometheus = await startPrometheus(targets, rulesFile);
  return () => prometheus[Symbol.asyncDispose]();
});

const queries = dashboardQueries();
/** What there is no series of on a good day. */
const silent = /DeletionHeld|repairs|internal_errors|withheld_filters|refused_rules/;

describe("the dashboard", () => {
  test.each(queries.filter(({ expr }) => !silent.test(expr)))(
    "shows data in $panel: $expr",
    async ({ expr }) => {
      await eventually(async () => expect(await prometheus.query(expr)).not.toEqual([]), 15_000);
    },
  );

  test.each(queries.filter(({ expr }) => silent.test(expr)))("may ask $expr for $panel", async ({ expr }) => {
    await expect(prometheus.query(expr)).resolves.toBeInstanceOf(Array);
  });

  test("counts what the mesh has of the hubs", async () => {
    const counts = queries.filter(({ panel }) => panel === "Services" || panel === "Endpoints");
    for (const { expr } of counts)
      await eventually(
        async () => expect((await prometheus.query(expr)).map(({ value }) => value)).toEqual([1]),
        15_000,
      );
  });
});

describe("the alerts", () => {
  test("are evaluated without an error, and none is on while all is well", async () => {
    await eventually(async () => {
      const alerts = await prometheus.alerts();
      expect(alerts.map(({ name, health, state }) => [name, health, state])).toEqual(
        alertRules().map(({ alert }) => [alert, "ok", "inactive"]),
      );
    }, 15_000);
  });

  test("of a registry that is away names the hub and its operator", async () => {
    await world.zooKeeper.kill();
    await eventually(async () => {
      const [unreachable] = (await prometheus.alerts()).filter(
        ({ name }) => name === "RegistryHubRegistryUnreachable",
      );
      expect(unreachable).toMatchObject({
        state: "pending",
        labels: [{ namespace: installNamespace, hub: `${tenant.namespace}/hub`, severity: "warning" }],
      });
    }, STATUS_MS);
  });

  test("of a controller that is gone sees that no replica leads", async () => {
    await world.controllers.dubbo.kill();
    await eventually(async () => {
      const [down] = (await prometheus.alerts()).filter(({ name }) => name === "RegistryHubDown");
      expect(down).toMatchObject({ state: "pending", labels: [{ job: "dubbo-controller" }] });
    }, STATUS_MS);
  });
});
