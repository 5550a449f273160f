import { describe, expect, test } from "vitest";
import { ObjectWriter } from "../../../../src/controllers/writes/object-writer.ts";
import { resources } from "../../../../src/kube/resources.ts";
import { createStore } from "../../../../src/kube/store.ts";
import type { ServiceEntry } from "../../../../src/model/istio.ts";
import type { Stored } from "../../../../src/model/kubernetes.ts";
import { annotations } from "../../../../src/model/labels.ts";
import { failure } from "../../../fakes/api-server/answer.ts";
import { writerTools } from "../../../support/writer-tools.ts";

const key = "demo/a";
const fields = { host: "demo/a.demo" };

const desired = (content = "1"): Stored<ServiceEntry> => ({
  apiVersion: "networking.istio.io/v1beta1",
  kind: "ServiceEntry",
  metadata: { namespace: "demo", name: "a", annotations: { [annotations.lastApplied]: content } },
  spec: { hosts: ["a.demo"] },
});

/** A writer of ServiceEntries. */
function open(options: { readonly isShared?: boolean } = {}) {
  const { tools, metric, ...told } = writerTools();
  const store = createStore<Stored<ServiceEntry>>();
  store.replace([], "1");
  const writer = new ObjectWriter(store, resources.serviceEntries, "registryhub", tools, options);
  const actual = (): Stored<ServiceEntry> => {
    const object = store.objects.get(key);
    if (object === undefined) throw new Error("the store has no such object");
    return object;
  };
  const counted = (verb: string, result: string): Promise<string | undefined> =>
    metric(`writes_total{kind="ServiceEntry",verb="${verb}",result="${result}"}`);
  return { ...told, store, writer, actual, counted, metric };
}

test("what it creates and changes is in the store, counted, and in the log", async () => {
  const { writer, actual, counted, lines, api } = open();
  expect(await writer.apply(key, desired(), undefined, fields)).toBeUndefined();
  expect(actual().metadata.uid).toBe(api.person.get("serviceentries", key)?.metadata.uid);
  expect(await writer.apply(key, desired("2"), actual(), fields)).toBeUndefined();
  expect(actual().metadata.annotations).toMatchObject({ [annotations.lastApplied]: "2" });
  expect(lines).toEqual([
    ["info", "object created", { kind: "ServiceEntry", ...fields }],
    ["debug", "object changed", { kind: "ServiceEntry", ...fields }],
  ]);
  expect(await counted("apply", "ok")).toBe("2");
});

test("what it deletes is in the store no more, counted, and in the log", async () => {
  const { writer, actual, counted, lines, api, store } = open();
  await writer.apply(key, desired(), undefined, fields);
  expect(await writer.delete(key, actual(), fields)).toBeUndefined();
  expect([store.objects.size, api.person.get("serviceentries", key)]).toEqual([0, undefined]);
  expect(lines.at(-1)).toEqual(["info", "object deleted", { kind: "ServiceEntry", ...fields }]);
  expect(await counted("delete", "ok")).toBe("1");
});

test("what a finalizer keeps is deleted once, and stays in the store as it is now", async () => {
  const { writer, actual, lines, api } = open();
  await writer.apply(key, desired(), undefined, fields);
  const kept = api.person.edit("serviceentries", key, (object) => ({
    ...object,
    metadata: { ...object.metadata, finalizers: ["example.com/hold"] },
  }));
  expect(await writer.delete(key, kept, fields)).toBeUndefined();
  expect(actual().metadata).toHaveProperty("deletionTimestamp");
  expect(lines.at(-1)).toMatchObject(["info", "object deleted, but a finalizer keeps it", fields]);
  expect(await writer.delete(key, actual(), fields)).toBeUndefined();
  expect(api.writes({ verb: "delete" })).toHaveLength(1);
});

test("another version than the one that was looked at is not deleted", async () => {
  const { writer, actual, counted, api, store } = open();
  await writer.apply(key, desired(), undefined, fields);
  api.person.edit("serviceentries", key, (object) => ({ ...object, spec: { hosts: ["other.demo"] } }));
  expect(await writer.delete(key, actual(), fields)).toMatchObject({ reason: "Conflict" });
  expect(api.person.get("serviceentries", key)?.spec.hosts).toEqual(["other.demo"]);
  expect([store.objects.size, await counted("delete", "Conflict")]).toEqual([1, "1"]);
});

test("a refusal is returned, counted, and one line of ten minutes is a warning", async () => {
  const { clock, writer, counted, lines, api } = open();
  api.forbid({ resource: "serviceentries", verb: "patch" });
  const refuse = async (): Promise<void> =>
    expect(await writer.apply(key, desired(), undefined, fields)).toMatchObject({ reason: "Forbidden" });
  await refuse();
  await refuse();
  clock.advance(10 * 60_000);
  await refuse();
  const about = { kind: "ServiceEntry", ...fields, namespace: "demo", verb: "apply", reason: "Forbidden" };
  const told = { ...about, error: expect.stringContaining("cannot patch") };
  expect(lines).toEqual(["warn", "debug", "warn"].map((level) => [level, "object not written", told]));
  expect(await counted("apply", "Forbidden")).toBe("3");
});

test("the first write that goes through in a namespace calls back what was refused there", async () => {
  const { writer, actual, recalled, api } = open();
  await writer.apply(key, desired(), undefined, fields);
  expect(recalled).toEqual([]);
  const end = api.forbid({ resource: "serviceentries" });
  await writer.delete(key, actual(), fields);
  end();
  expect(recalled).toEqual([]);
  await writer.apply(key, desired("2"), actual(), fields);
  expect(recalled).toEqual(["demo"]);
});

test("a fight is fought with pauses, an Event tells of it from the third repair on, and forgetting ends it", async () => {
  const { writer, actual, notes } = open();
  await writer.apply(key, desired(), undefined, fields);
  const pauses = [];
  for (let repair = 0; repair < 4; repair++) {
    pauses.push(writer.pauseMs(key, desired()));
    await writer.apply(key, desired(), actual(), fields);
    expect(notes).toHaveLength(Math.max(0, repair - 1));
  }
  expect(pauses).toEqual([0, 1_000, 2_000, 4_000]);
  expect(notes[0]).toMatchObject({
    type: "Warning",
    reason: "Contended",
    message: expect.stringContaining("metadata.managedFields"),
    object: { apiVersion: "networking.istio.io/v1beta1", kind: "ServiceEntry", metadata: { name: "a" } },
  });
  expect([writer.pauseMs(key, desired("2")), writer.pauseMs("demo/other", desired())]).toEqual([0, 0]);
  writer.forget(key);
  expect(writer.pauseMs(key, desired())).toBe(0);
});

test("a delete ends a fight; one that fails does not", async () => {
  const { writer, actual, api } = open();
  await writer.apply(key, desired(), undefined, fields);
  for (let repair = 0; repair < 3; repair++) await writer.apply(key, desired(), actual(), fields);
  const end = api.refuse({ verb: "delete" }, () => failure(503, "ServiceUnavailable", "starting"));
  await writer.delete(key, actual(), fields);
  expect(writer.pauseMs(key, desired())).toBe(4_000);
  end();
  await writer.delete(key, actual(), fields);
  expect(writer.pauseMs(key, desired())).toBe(0);
});

describe("an object that somebody else changed since it was read", () => {
  test.each([
    ["is written all the same", {}, undefined, "2"],
    ["is left as it is where others of the operator write it", { isShared: true }, "Conflict", "1"],
  ])("%s", async (_, options, reason, content) => {
    const { writer, actual, api } = open(options);
    await writer.apply(key, desired(), undefined, fields);
    api.person.edit("serviceentries", key, (object) => ({
      ...object,
      metadata: { ...object.metadata, labels: { by: "person" } },
    }));
    expect((await writer.apply(key, desired("2"), actual(), fields))?.reason).toBe(reason);
    const written = api.person.get("serviceentries", key)?.metadata;
    expect(written?.annotations).toMatchObject({ [annotations.lastApplied]: content });
  });
});

test("the bytes of a write are counted, and a large object is not written again at once, unless it is deleted", async () => {
  const { writer, actual, metric } = open();
  const large = desired("x".repeat(40_000));
  await writer.apply(key, desired(), undefined, fields);
  expect(writer.pacedMs(key)).toBe(0);
  await writer.apply(key, large, actual(), fields);
  const [small, big] = [desired(), large].map((object) => JSON.stringify(object).length) as [number, number];
  expect(await metric('written_bytes_total{kind="ServiceEntry"}')).toBe(String(small + big));
  expect(writer.pacedMs(key)).toBeCloseTo(big / 200);
  expect(writer.pacedMs("demo/other")).toBe(0);
  await writer.delete(key, actual(), fields);
  expect(writer.pacedMs(key)).toBe(0);
});
