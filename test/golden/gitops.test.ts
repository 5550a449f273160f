import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { yamlOf } from "../../src/kube/manifests.ts";
import { checkout } from "../support/markdown.ts";
import { hubs } from "./hub-statuses.ts";

const folder = join(
  checkout,
  "contrib/argocd/resource_customizations/ecns.easystack.cn/RegistryHub/testdata",
);

test.each(Object.entries(hubs))(
  "Argo CD's test data %s has the status of the operator",
  async (name, hub) => {
    await expect(yamlOf(hub)).toMatchFileSnapshot(join(folder, `${name}.yaml`));
  },
);

test("there are no others", () => {
  expect(readdirSync(folder)).toEqual(
    Object.keys(hubs)
      .map((name) => `${name}.yaml`)
      .toSorted(),
  );
});
