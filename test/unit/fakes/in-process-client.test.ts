import { expect, test } from "vitest";
import { KubeError, retryDelay } from "../../../src/kube/errors.ts";
import { resources } from "../../../src/kube/resources.ts";
import { watch } from "../../../src/kube/watch.ts";
import { deniedByWebhook, tooManyRequests } from "../../fakes/api-server/answer.ts";
import { inProcessClient } from "../../fakes/api-server/in-process.ts";
import { createFakeApiServer } from "../../fakes/api-server/server.ts";
import { fakeClock } from "../../support/fake-clock.ts";

// What the fake server answers is proved by test/cluster, over HTTP. Here is what the client without sockets adds to it.

const path = "/api/v1/namespaces/demo/configmaps/one";

function open() {
  const clock = fakeClock();
  const server = createFakeApiServer(clock);
  server.person.createNamespace("demo");
  server.person.put({ apiVersion: "v1", kind: "ConfigMap", metadata: { namespace: "demo", name: "one" } });
  const client = inProcessClient(server, { user: "test", userAgent: "test/1", concurrency: 2 }, clock);
  const stopping = new AbortController();
  const read = () => client.request({ method: "GET", path, signal: stopping.signal });
  return { clock, server, client, stopping, read };
}

const failureOf = async (request: Promise<unknown>): Promise<unknown> =>
  request.then(
    () => undefined,
    (error: unknown) => error,
  );

test("a request that is held ends with Timeout after 30 s of its clock", async () => {
  const { clock, server, read } = open();
  const gate = server.hold({ resource: "configmaps" });
  const failed = failureOf(read());
  clock.advance(30_000);
  expect(await failed).toMatchObject({ status: 0, reason: "Timeout" });
  gate.open();
  expect(await read()).toMatchObject({ metadata: { name: "one" } });
});

test("an abort ends a request with its reason", async () => {
  const { server, stopping, read } = open();
  server.hold({ resource: "configmaps" });
  const failed = failureOf(read());
  const reason = new Error("stop");
  stopping.abort(reason);
  expect(await failed).toBe(reason);
});

test("a server that is down cannot be reached, and its watches break", async () => {
  const { clock, server, client, stopping, read } = open();
  const selection = { namespace: "demo" };
  const options = {
    selection,
    resourceVersion: "1",
    timeoutSeconds: 60,
    idleMs: 90_000,
    signal: stopping.signal,
  };
  const events = watch(client, resources.configMaps, options, { clock });
  expect(await events.next()).toEqual({ done: false, value: [] });
  const goUp = server.goDown();
  expect(await failureOf(events.next().then(() => events.next()))).toMatchObject({ reason: "Unreachable" });
  expect(await failureOf(read())).toMatchObject({ status: 0, reason: "Unreachable" });
  goUp();
  expect(await read()).toMatchObject({ metadata: { name: "one" } });
});

test("refusals carry what the server wants: its words, and when it may be asked again", async () => {
  const { server, read } = open();
  const end = server.refuse({ resource: "configmaps" }, () => tooManyRequests(7));
  const busy = await failureOf(read());
  expect(busy instanceof KubeError && retryDelay(busy)).toBe(7_000);
  end();
  server.refuse({ resource: "configmaps" }, () => deniedByWebhook("no"));
  expect(String(await failureOf(read()))).toContain('"policy.example.org" denied the request: no');
});

test("nobody shares an object with the server", async () => {
  const { client, read, stopping } = open();
  const data = { value: "a" };
  const object = { metadata: { namespace: "demo", name: "two" }, data };
  const at = "/api/v1/namespaces/demo/configmaps";
  await client.request({ method: "POST", path: at, body: object, signal: stopping.signal });
  data.value = "b";
  expect(await client.request({ method: "GET", path: `${at}/two`, signal: stopping.signal })).toMatchObject({
    data: { value: "a" },
  });
  expect(await read()).not.toBe(await read());
});

test("no more writes are under way at once than it may make", async () => {
  const { server, client, stopping } = open();
  const gate = server.hold({ verb: "create" });
  const create = (name: string) =>
    client.request({
      method: "POST",
      path: "/api/v1/namespaces/demo/configmaps",
      body: { metadata: { name } },
      signal: stopping.signal,
    });
  const all = Promise.all(["a", "b", "c"].map(create));
  await expect.poll(() => gate.waiting.length).toBe(2);
  expect(server.writes()).toHaveLength(2);
  gate.open();
  await all;
  expect(server.person.list("configmaps", "demo")).toHaveLength(4);
});
