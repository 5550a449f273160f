import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import type { KubeObject } from "../../src/kube/resources.ts";
import { startConsul } from "../bed/consul.ts";
import { run } from "../bed/run.ts";
import { consulRegistrant, readAll } from "../support/consul-registrant.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/free-port.ts";
import { newTenant, providerUrl, SOON_MS, startWorld, untilReady, type World } from "./world.ts";

const program = fileURLToPath(new URL("../../bin/registryhub", import.meta.url));

let world: World;
beforeAll(async () => {
  world = await startWorld();
  return () => world[Symbol.asyncDispose]();
});

describe("registryhub preview", () => {
  test("prints what the controllers then write, and the API server takes it", async () => {
    const tenant = await newTenant(world);
    await tenant.provide(
      providerUrl("org.example.Shop", "10.42.7.1:20880"),
      providerUrl("org.example.Shop", "10.42.7.2:20880"),
      providerUrl("org.example.Cart", "10.42.7.1:20881"),
      providerUrl("org.example.Lost", "127.0.0.1:20880"),
    );
    const manifest = tenant.manifest();
    const yaml = await run(program, ["preview", "-f", "-"], { input: manifest });
    const checked = await world.api.kubectl(["apply", "--dry-run=server", "-f", "-"], { input: yaml });
    expect(checked.split("\n").filter((line) => line.includes("created"))).toHaveLength(6);

    const json = await run(program, ["preview", "-f", "-", "-o", "json"], { input: manifest });
    const { items } = JSON.parse(json) as { readonly items: readonly KubeObject[] };
    await tenant.applyHub();
    await untilReady(tenant);
    await eventually(async () => {
      const filters = await world.cluster.envoyFilters("servicemesh");
      const written = [...(await tenant.entries()), ...filters].map(essence);
      expect(written).toEqual(expect.arrayContaining(items.map(essence)));
      expect(written).toHaveLength(items.length);
    }, SOON_MS);
  });

  test("reads with the Secret of the file, and says why it cannot without", async () => {
    await using consul = await startConsul({ acl: true });
    const registrant = consulRegistrant(consul);
    await registrant.register([{ service: "order", address: "10.42.7.3", port: 9000 }]);
    const { secret: token } = await registrant.createToken(readAll);
    const hub = {
      apiVersion: "ecns.easystack.cn/v1alpha1",
      kind: "RegistryHub",
      metadata: { name: "consul", namespace: "springconsul" },
      spec: { type: "consul", address: consul.url, generate_to: "springconsul" },
    };
    const secret = { apiVersion: "v1", kind: "Secret", metadata: { name: "login" }, stringData: { token } };
    const named = { ...hub, spec: { ...hub.spec, secretRef: { name: "login" } } };
    const input = [named, secret].map((one) => JSON.stringify(one)).join("\n---\n");
    expect(await run(program, ["preview", "-f", "-"], { input })).toContain("- order.springconsul");

    const blind = run(program, ["preview", "-f", "-"], { input: JSON.stringify(hub) });
    await expect(blind).rejects.toThrow(/exit code 1.*RegistryUnauthorized: .*without a token/s);
  });

  test("ends with a clear sentence when nobody answers, and when the file is none", async () => {
    const tenant = await newTenant(world);
    const nowhere = tenant.manifest({ address: `127.0.0.1:${await freePort()}` });
    const unread = run(program, ["preview", "-f", "-"], { input: nowhere });
    await expect(unread).rejects.toThrow(/exit code 1.*RegistryUnreachable: .*connection refused/s);
    const missing = run(program, ["preview", "-f", "/nowhere/hub.yaml"]);
    await expect(missing).rejects.toThrow(/exit code 2.*\/nowhere\/hub.yaml: no such file/s);
  });
});

/** What was asked for of an object, without what the API server adds. */
function essence({ metadata, ...rest }: KubeObject): object {
  const { name, namespace, labels, annotations } = metadata;
  return { ...rest, metadata: { name, namespace, labels, annotations } };
}
