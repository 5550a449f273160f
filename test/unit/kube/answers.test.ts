import { expect, test } from "vitest";
import type { KubeClient } from "../../../src/kube/client.ts";
import { list } from "../../../src/kube/list.ts";
import { resources } from "../../../src/kube/resources.ts";
import { watch } from "../../../src/kube/watch.ts";
import { fakeClock } from "../../support/fake-clock.ts";

/** A client whose server answers every list, and every watch with one line. */
const answering = (answer: string): KubeClient => ({
  request: <T>() => Promise.resolve(JSON.parse(answer) as T),
  stream: () =>
    Promise.resolve(
      (async function* () {
        yield await Promise.resolve(Buffer.from(`${answer}\n`));
      })(),
    ),
  close: () => Promise.resolve(),
});
const { signal } = new AbortController();

test.each([
  "null",
  '"a list"',
  "{}",
  '{"metadata":{"resourceVersion":"1"}}',
  '{"metadata":{"resourceVersion":"latest"},"items":[]}',
  '{"metadata":{"resourceVersion":"1","continue":7},"items":[]}',
  '{"metadata":{"resourceVersion":"1"},"items":[null]}',
  '{"metadata":{"resourceVersion":"1"},"items":[{"metadata":{"resourceVersion":"1"}}]}',
  '{"metadata":{"resourceVersion":"1"},"items":[{"metadata":{"name":"x","resourceVersion":"x"}}]}',
])("what is no list of objects is a bad answer, and asked for again: %s", async (answer) => {
  const options = { selection: {}, pageSize: 1, transform: <T>(object: T): T => object, signal };
  const listing = list(answering(answer), resources.configMaps, options);
  await expect(listing).rejects.toMatchObject({ name: "KubeError", status: 0, reason: "BadAnswer" });
});

test.each([
  "null",
  "[]",
  '{"type":"ADDED"}',
  '{"type":"RENAMED","object":{"metadata":{"name":"x","resourceVersion":"1"}}}',
  '{"type":"MODIFIED","object":{"metadata":{"name":7,"resourceVersion":"1"}}}',
  '{"type":"DELETED","object":{"metadata":{"name":"x","resourceVersion":"one"}}}',
  '{"type":"BOOKMARK","object":{}}',
])("what is no event is a bad answer, and the watch is opened again: %s", async (answer) => {
  const options = { selection: {}, resourceVersion: "1", timeoutSeconds: 1, idleMs: 1_000, signal };
  const events = watch(answering(answer), resources.configMaps, options, { clock: fakeClock() });
  const read = async (): Promise<void> => {
    for await (const _ of events);
  };
  await expect(read()).rejects.toMatchObject({ name: "KubeError", status: 0, reason: "BadAnswer" });
});
