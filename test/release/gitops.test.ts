import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { gitOpsJudges, type Judge } from "../bed/gitops-judges.ts";
import { run } from "../bed/run.ts";
import { hubs } from "../golden/hub-statuses.ts";
import { blocksOf, checkout, textOf } from "../support/markdown.ts";

/** health_test.yaml, in the form that Argo CD's own tests read. */
interface HealthTests {
  readonly tests: readonly { readonly healthStatus: object; readonly inputPath: string }[];
}

/** The part of a Flux Kustomization's spec that says how hubs are judged. */
interface HealthChecks {
  readonly healthCheckExprs: readonly object[];
}

const customization = "contrib/argocd/resource_customizations/ecns.easystack.cn/RegistryHub";
const { healthCheckExprs } = parse(textOf("contrib/flux/health-checks.yaml")) as HealthChecks;
const { tests } = parse(textOf(`${customization}/health_test.yaml`)) as HealthTests;

let judges: Readonly<Record<Judge, string>>;
beforeAll(async () => {
  judges = await gitOpsJudges();
});

describe("Argo CD says of the hub in", () => {
  test.each(tests)("$inputPath: $healthStatus.status", async ({ healthStatus, inputPath }) => {
    const input = JSON.stringify(parse(textOf(`${customization}/${inputPath}`)));
    const script = join(checkout, customization, "health.lua");
    expect(JSON.parse(await run(judges["argo-health"], [script], { input }))).toEqual(healthStatus);
  });

  test("every file of the test data", () => {
    expect(tests.map(({ inputPath }) => inputPath)).toEqual(
      Object.keys(hubs).map((name) => `testdata/${name}.yaml`),
    );
  });
});

test("docs/installing.md has the script and the expressions as they are", () => {
  const blocks = blocksOf(textOf("docs/installing.md"), "yaml").map((block) => parse(block) as object);
  const key = "resource.customizations.health.ecns.easystack.cn_RegistryHub";
  expect(blocks).toContainEqual({ data: { [key]: textOf(`${customization}/health.lua`) } });
  expect(blocks).toContainEqual({ spec: { wait: true, healthCheckExprs } });
});

describe("Flux says, first without and then with the expressions of contrib/flux, of the hub", () => {
  const expected: Readonly<Record<string, readonly [kstatus: string, expressions: string]>> = {
    progressing_noStatus: ["Current", "Unknown"],
    progressing_connecting: ["InProgress", "InProgress"],
    progressing_syncing: ["InProgress", "InProgress"],
    progressing_edited: ["InProgress", "InProgress"],
    healthy_ready: ["Current", "Current"],
    healthy_observing: ["Current", "Current"],
    healthy_removalsHeld: ["Current", "Current"],
    suspended_suspended: ["Current", "Current"],
    degraded_registryUnreachable: ["InProgress", "Failed"],
    degraded_namespaceMissing: ["InProgress", "Failed"],
  };

  test.each(Object.entries(hubs))("%s", async (name, hub) => {
    const expressions = JSON.stringify(healthCheckExprs);
    const said = JSON.parse(
      await run(judges["flux-health"], [expressions], { input: JSON.stringify(hub) }),
    ) as object;
    const [kstatus, withExpressions] = expected[name] ?? [];
    expect(said).toEqual({ kstatus, expressions: withExpressions });
  });
});
