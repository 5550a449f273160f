import { describe, expect, test } from "vitest";
import { HubCluster } from "../../../../src/controllers/hub/cluster.ts";
import { KubeError } from "../../../../src/kube/errors.ts";
import { failure, typeMissing } from "../../../fakes/api-server/answer.ts";
import { hubObject } from "../../../support/model.ts";
import { writerTools } from "../../../support/writer-tools.ts";

const rules = {
  allowCrossNamespace: true,
  watchNamespaces: [],
  denyTargets: [],
  rootNamespace: "servicemesh",
};
const gone = "cannot confirm that a missing hub is deleted";

function open() {
  const { tools, api, lines } = writerTools();
  const cluster = new HubCluster(tools.client, rules, tools.deps);
  const { signal } = new AbortController();
  const warnings = () =>
    lines.filter(([, message]) => message === gone).map(([level, , fields]) => [level, fields]);
  return { api, warnings, ask: (key: string) => cluster.hasHub(key, signal) };
}

describe("whether a hub exists", () => {
  test("is told by the API server's own word for this object", async () => {
    const { api, ask, warnings } = open();
    const { metadata: _, ...rest } = hubObject();
    api.person.put({ ...rest, metadata: { namespace: "demo", name: "a" } });
    expect([await ask("demo/a"), await ask("demo/b")]).toEqual([true, false]);
    const asked = api.requests.filter(({ verb, resource }) => verb === "get" && resource === "registryhubs");
    expect(asked.map(({ namespace, name }) => `${namespace}/${name}`)).toEqual(["demo/a", "demo/b"]);
    expect(warnings()).toEqual([]);
  });

  test.each([
    ["a type that is not served", typeMissing],
    ["a refusal", () => failure(403, "Forbidden", "no")],
    ["a proxy's 404", () => failure(404, "Unknown", "nothing here")],
    ["another status with that word", () => failure(410, "NotFound", "gone")],
  ])("is not known after %s", async (_, answer) => {
    const { api, ask, warnings } = open();
    api.refuse({ resource: "registryhubs", verb: "get" }, answer);
    await expect(ask("demo/a")).rejects.toBeInstanceOf(KubeError);
    expect(warnings()).toMatchObject([["warn", { hub: "demo/a", error: expect.any(String) }]]);
  });

  test("is told in the log once for each reason", async () => {
    const { api, ask, warnings } = open();
    const fail = async (status: number, reason: string): Promise<void> => {
      const end = api.refuse({ resource: "registryhubs", verb: "get" }, () => failure(status, reason, "no"));
      for (const key of ["demo/a", "demo/b"]) await expect(ask(key)).rejects.toMatchObject({ reason });
      end();
    };
    await fail(403, "Forbidden");
    await fail(500, "InternalError");
    expect(warnings()).toMatchObject([
      ["warn", { hub: "demo/a" }],
      ["warn", { hub: "demo/a" }],
    ]);
  });
});
