import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { apply, applyTo, remove, type WriteResult } from "../../src/kube/apply.ts";
import { applied } from "../../src/kube/apply-locally.ts";
import { isCovered } from "../../src/kube/covered.ts";
import { retryDelay } from "../../src/kube/errors.ts";
import { objectPath } from "../../src/kube/resources.ts";
import type { ServiceEntry } from "../../src/model/istio.ts";
import {
  type Bench,
  createNamespace,
  deleteObject,
  failure,
  get,
  namesOf,
  openBench,
  patch,
  serviceEntries,
  serviceEntry,
} from "./cluster.ts";
import { startServer, type TestServer } from "./server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ crds: true });
});
afterAll(() => server?.[Symbol.asyncDispose]());

let bench: Bench;
let namespace: string;
beforeEach(async () => {
  bench = openBench(server.kubeconfig);
  namespace = await createNamespace(bench, "apply");
});

const write = (object: ServiceEntry, fieldManager = "registryhub"): Promise<WriteResult<ServiceEntry>> =>
  apply(bench.client, serviceEntries, object, { fieldManager, signal: bench.signal });

function expectOk<T>(result: WriteResult<T>): T {
  if ("error" in result) throw result.error;
  return result.ok;
}

/** As somebody with kubectl. */
const edit = (name: string, change: object): Promise<ServiceEntry> =>
  patch(bench, serviceEntries, { namespace, name }, change);

describe("apply", () => {
  test("creates, changes, and without a change leaves the resourceVersion alone", async () => {
    const created = expectOk(await write(serviceEntry(namespace, "one")));
    const changed = expectOk(await write(serviceEntry(namespace, "one", "10.42.0.58")));
    const again = expectOk(await write(serviceEntry(namespace, "one", "10.42.0.58")));
    expect(created.spec.endpoints?.[0]?.address).toBe("10.42.0.57");
    expect(changed.spec.endpoints?.[0]?.address).toBe("10.42.0.58");
    expect(changed.metadata.resourceVersion).not.toBe(created.metadata.resourceVersion);
    expect(again.metadata.resourceVersion).toBe(changed.metadata.resourceVersion);
    expect(again.metadata.managedFields?.map(({ manager }) => manager)).toEqual(["registryhub"]);
  });

  test("leaves labels, fields and ports of others alone, takes ours back, and drops what we left out", async () => {
    expectOk(await write(serviceEntry(namespace, "one")));
    await edit("one", { metadata: { labels: { team: "red" } } });
    const ports = [{ name: "http", number: 80, protocol: "HTTP" }];
    const foreign = {
      metadata: { namespace, name: "one" },
      spec: { resolution: "DNS", exportTo: ["."], ports },
    };
    expectOk(await write({ ...serviceEntry(namespace, "one"), ...foreign }, "somebody"));
    const { metadata, ...rest } = serviceEntry(namespace, "one");
    const ours = expectOk(
      await write({ ...rest, metadata: { ...metadata, labels: { "app.kubernetes.io/managed-by": "x" } } }),
    );
    expect(ours.metadata.labels).toEqual({ "app.kubernetes.io/managed-by": "x", team: "red" });
    expect(ours.spec).toMatchObject({ resolution: "STATIC", exportTo: ["."] });
    expect(ours.spec.ports?.map(({ name }) => name).sort()).toEqual(["http", "tcp-metaprotocol-dubbo"]);
    const { addresses: _, ...fewer } = rest.spec;
    expect(expectOk(await write({ ...rest, metadata, spec: fewer })).spec.addresses).toBeUndefined();
  });

  test("what was applied is covered by what came back, whatever others add; an edit of ours is not", async () => {
    const desired = serviceEntry(namespace, "one");
    const newest = { ...serviceEntries, version: "v1" };
    const actual = (): Promise<unknown> => get(bench, newest, { namespace, name: "one" });
    const { apiVersion: _, ...fields } = desired; // others may read another version
    expect(isCovered(desired, expectOk(await write(desired)))).toBe(true);
    await edit("one", { metadata: { annotations: { note: "foreign" } } });
    expect(isCovered(fields, await actual())).toBe(true);
    await edit("one", { spec: { endpoints: [] } });
    expect(isCovered(fields, await actual())).toBe(false);
  });

  test("is foretold without a write: what is dropped, taken back and left to others", async () => {
    const { metadata, spec, ...rest } = serviceEntry(namespace, "one");
    const withNotes = { ...metadata, labels: { ours: "1", shared: "1" }, annotations: { ours: "1" } };
    expectOk(await write({ ...rest, metadata: withNotes, spec }));
    const shared = { ...rest, metadata: { name: "one", namespace, labels: { shared: "1", team: "red" } } };
    const ports = [{ name: "http", number: 80, protocol: "HTTP" }];
    const actual = expectOk(await write({ ...shared, spec: { ...spec, ports, addresses: [] } }, "somebody"));

    const renamed = [{ name: "grpc-tri", number: 20_880, protocol: "grpc" }];
    const { location: _, ...fewer } = { ...spec, ports: renamed, endpoints: [] };
    const desired: ServiceEntry = { ...rest, metadata, spec: fewer };
    const essence = ({ metadata: { name, labels = {}, annotations = {} }, spec: has }: ServiceEntry) => {
      const byName = (has.ports ?? []).toSorted((a, b) => (a.name < b.name ? -1 : 1));
      return { name, labels, annotations, spec: { ...has, ports: byName } };
    };
    const foretold = essence(applied(desired, actual, "registryhub"));
    expect(foretold).toEqual(essence(expectOk(await write(desired))));
    expect(foretold.labels).toEqual({ shared: "1", team: "red", ...metadata.labels });
    expect(foretold.spec.ports.map(({ name }) => name)).toEqual(["grpc-tri", "http"]);
    expect(applied(desired, undefined, "registryhub")).toBe(desired);
  });

  test("without force is refused where another manager has another value, and takes nothing", async () => {
    expectOk(await write(serviceEntry(namespace, "one")));
    const request = {
      method: "PATCH",
      path: objectPath(serviceEntries, { namespace, name: "one" }),
      query: { fieldManager: "somebody" },
      body: serviceEntry(namespace, "one", "10.42.0.58"),
      contentType: "application/apply-patch+yaml",
      signal: bench.signal,
    } as const;
    const error = await failure(bench.client.request(request));
    expect(error).toMatchObject({ status: 409, reason: "Conflict" });
    expect(error.message).toContain('conflict with "registryhub"');
    expect(error.message).toContain(".spec.endpoints");
    const { spec } = await get<ServiceEntry>(bench, serviceEntries, { namespace, name: "one" });
    expect(spec.endpoints?.[0]?.address).toBe("10.42.0.57");
  });

  test("leaves alone what somebody else has changed since, where it is left out", async () => {
    const { spec, ...rest } = serviceEntry(namespace, "one");
    expectOk(await write({ ...rest, spec }));
    await edit("one", { spec: { resolution: "DNS" }, metadata: { labels: { team: "red" } } });
    const { resolution: _, location: _location, ...fewer } = spec;
    const left = expectOk(await write({ ...rest, spec: fewer }));
    expect(left.spec.resolution).toBe("DNS");
    expect(left.spec.location).toBeUndefined();
    const owners = left.metadata.managedFields?.map(({ manager, operation }) => `${manager} ${operation}`);
    expect(owners?.toSorted()).toEqual(["kubectl Update", "registryhub Apply"]);
  });

  test("moves the generation with the spec only", async () => {
    const created = expectOk(await write(serviceEntry(namespace, "one")));
    expect((await edit("one", { metadata: { labels: { team: "red" } } })).metadata.generation).toBe(1);
    const changed = expectOk(await write(serviceEntry(namespace, "one", "10.42.0.58")));
    expect([created, changed].map(({ metadata }) => metadata.generation)).toEqual([1, 2]);
  });

  test("two managers that apply different fields keep both", async () => {
    const { spec, ...rest } = serviceEntry(namespace, "one");
    const { endpoints: _, ...shape } = spec;
    await Promise.all(
      Array.from({ length: 10 }, (_each, at) =>
        at % 2 === 0
          ? write({ ...rest, spec }, "registryhub")
          : write({ ...rest, spec: { ...shape, location: "MESH_INTERNAL" } }, "somebody"),
      ),
    );
    const both = expectOk(await write({ ...rest, spec }));
    expect(both.spec).toMatchObject({ location: "MESH_INTERNAL", endpoints: [{ address: "10.42.0.57" }] });
  });

  test("what the API server refuses is a value in its own words, and no retry heals it", async () => {
    const { spec, ...rest } = serviceEntry(namespace, "bad");
    const result = await write({
      ...rest,
      spec: { ...spec, ports: [{ name: "p", number: 70_000, protocol: "tcp" }] },
    });
    if (!("error" in result)) throw new Error("port 70000 was accepted");
    expect(result.error).toMatchObject({ status: 422, reason: "Invalid" });
    expect(result.error.message).toContain("spec.ports[0].number");
    expect(retryDelay(result.error)).toBeUndefined();
  });

  test("an object for a namespace that does not exist, and one for a type that does not exist, are told apart", async () => {
    expect(await write(serviceEntry("nowhere", "one"))).toMatchObject({
      error: { reason: "NamespaceMissing" },
    });
    const nothing = { group: "networking.istio.io", version: "v1", plural: "nothings", kind: "Nothing" };
    const object = { metadata: { namespace, name: "one" } };
    const options = { fieldManager: "registryhub", signal: bench.signal };
    const result = await apply(bench.client, nothing, object, options);
    expect(result).toMatchObject({ error: { reason: "ResourceTypeMissing" } });
  });
});

describe("applyTo (H24)", () => {
  const writeTo = (actual: ServiceEntry | undefined, object: ServiceEntry) => {
    const options = { fieldManager: "registryhub", signal: bench.signal };
    return applyTo(bench.client, serviceEntries, actual, object, options);
  };
  const read = () => get<ServiceEntry>(bench, serviceEntries, { namespace, name: "one" });
  const expectConflict = (result: WriteResult<ServiceEntry>): void => {
    expect(result).toMatchObject({ error: { reason: "Conflict" } });
    expect("error" in result && retryDelay(result.error)).toBe(0);
  };

  test("creates where there was none, changes what it was read from, and still drops what is left out", async () => {
    const created = expectOk(await writeTo(undefined, serviceEntry(namespace, "one")));
    const { spec, ...rest } = serviceEntry(namespace, "one", "10.42.0.58");
    const { addresses: _, ...fewer } = spec;
    const changed = expectOk(await writeTo(created, { ...rest, spec: fewer }));
    expect(changed.metadata.uid).toBe(created.metadata.uid);
    expect(changed.spec).toMatchObject({ endpoints: [{ address: "10.42.0.58" }] });
    expect(changed.spec.addresses).toBeUndefined();
    expect(changed.metadata.managedFields).toMatchObject([{ manager: "registryhub", operation: "Apply" }]);
  });

  test("changes what somebody else has changed meanwhile", async () => {
    const created = expectOk(await writeTo(undefined, serviceEntry(namespace, "one")));
    await edit("one", { metadata: { labels: { team: "red" } } });
    const changed = expectOk(await writeTo(created, serviceEntry(namespace, "one", "10.42.0.58")));
    expect(changed.metadata.labels).toMatchObject({ team: "red" });
  });

  test("merges into nothing that was made a moment before", async () => {
    const theirs = expectOk(await write(serviceEntry(namespace, "one", "10.42.9.9"), "somebody"));
    expectConflict(await writeTo(undefined, serviceEntry(namespace, "one")));
    expect(await read()).toEqual(theirs);
  });

  test("revives nothing that is gone", async () => {
    const created = expectOk(await writeTo(undefined, serviceEntry(namespace, "one")));
    await deleteObject(bench, serviceEntries, { namespace, name: "one" });
    expectConflict(await writeTo(created, serviceEntry(namespace, "one")));
    expect(await namesOf(bench, serviceEntries, namespace)).toEqual([]);
    expectOk(await writeTo(undefined, serviceEntry(namespace, "one")));
  });

  test("changes no other object of the same name", async () => {
    const created = expectOk(await writeTo(undefined, serviceEntry(namespace, "one")));
    await deleteObject(bench, serviceEntries, { namespace, name: "one" });
    const theirs = expectOk(await write(serviceEntry(namespace, "one", "10.42.9.9"), "somebody"));
    expectConflict(await writeTo(created, serviceEntry(namespace, "one")));
    expect(await read()).toEqual(theirs);
  });
});

describe("remove", () => {
  test("deletes the version that was read; gone already is as good", async () => {
    const written = expectOk(await write(serviceEntry(namespace, "one")));
    expect(await remove(bench.client, serviceEntries, written, bench.signal)).toEqual({ ok: undefined });
    expect(await remove(bench.client, serviceEntries, written, bench.signal)).toEqual({ ok: undefined });
    expect(await namesOf(bench, serviceEntries, namespace)).toEqual([]);
  });

  test("refuses another version, and another object of the same name, with a conflict that a retry heals", async () => {
    const old = expectOk(await write(serviceEntry(namespace, "one")));
    const current = expectOk(await write(serviceEntry(namespace, "one", "10.42.0.58")));
    const result = await remove(bench.client, serviceEntries, old, bench.signal);
    expect(result).toMatchObject({ error: { status: 409, reason: "Conflict" } });
    expect("error" in result && retryDelay(result.error)).toBe(0);
    await deleteObject(bench, serviceEntries, { namespace, name: "one" });
    expectOk(await write(serviceEntry(namespace, "one")));
    expect(await remove(bench.client, serviceEntries, current, bench.signal)).toMatchObject({
      error: { status: 409 },
    });
    expect(await namesOf(bench, serviceEntries, namespace)).toEqual(["one"]);
  });

  test("returns the object while a finalizer keeps it: it can be written to, and goes with its last finalizer", async () => {
    const kept = serviceEntry(namespace, "kept");
    await write(kept);
    await edit("kept", { metadata: { finalizers: ["example.org/keep"] } });
    const current = expectOk(await write(kept));
    const terminating = expectOk(await remove(bench.client, serviceEntries, current, bench.signal));
    expect(terminating?.metadata.deletionTimestamp).toBeDefined();
    const { uid } = current.metadata;
    const changed = expectOk(await write(serviceEntry(namespace, "kept", "10.42.0.58")));
    expect(changed.metadata).toMatchObject({
      uid,
      deletionTimestamp: terminating?.metadata.deletionTimestamp,
    });
    await edit("kept", { metadata: { finalizers: null } });
    expect(await namesOf(bench, serviceEntries, namespace)).toEqual([]);
    expect(expectOk(await write(kept)).metadata.uid).not.toBe(uid);
  });
});
