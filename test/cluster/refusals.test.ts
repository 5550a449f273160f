import { writeFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { apply } from "../../src/kube/apply.ts";
import { retryDelay } from "../../src/kube/errors.ts";
import { eventually } from "../support/eventually.ts";
import { configMaps, kubeconfigThrough, openBench, startReflector } from "./cluster.ts";
import { type Scripted, startServer, type TestServer } from "./server.ts";

// What a healthy API server cannot be made to answer on demand: overload, failure, a proxy's page.
let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server?.[Symbol.asyncDispose]());

/** Answers every request with `answer`. Returns a kubeconfig for it. */
async function standIn(answer: (count: number) => Scripted): Promise<string> {
  const scripted = await server.standIn(answer);
  onTestFinished(() => scripted[Symbol.asyncDispose]());
  return kubeconfigThrough(server, scripted);
}

test.each([
  [429, { "retry-after": "7" }, "", 7_000],
  [500, {}, "<html>oops</html>", 0],
  [503, { "retry-after": "1" }, '{"kind":"Status","message":"starting"}', 1_000],
])(
  "a write that is answered %i is worth another try when the server says so",
  async (status, headers, body, delayMs) => {
    const { client, signal } = openBench(await standIn(() => ({ code: status, headers, body })));
    const configMap = { metadata: { namespace: "default", name: "one" } };
    const result = await apply(client, configMaps, configMap, { fieldManager: "test", signal });
    if (!("error" in result)) throw new Error(`${status} was taken for success`);
    expect(result.error.status).toBe(status);
    expect(retryDelay(result.error)).toBe(delayMs);
  },
);

test("a page of HTML with status 200 is no empty list", async () => {
  const bench = openBench(await standIn(() => ({ code: 200, body: "<html>sign in</html>" })));
  const reflector = startReflector(bench, configMaps);
  await eventually(
    () => expect(reflector.status).toMatchObject({ state: "pending", error: { reason: "BadAnswer" } }),
    10_000,
  );
});

test("an overloaded server is asked again when it wants to be, and not before", async () => {
  const asked: number[] = [];
  const kubeconfig = await standIn(() => {
    asked.push(performance.now());
    return { code: 429, headers: { "retry-after": "2" }, body: "" };
  });
  startReflector(openBench(kubeconfig), configMaps);
  await eventually(() => expect(asked.length).toBeGreaterThanOrEqual(3), 15_000);
  expect((asked[1] ?? 0) - (asked[0] ?? 0)).toBeGreaterThanOrEqual(1_990);
  expect((asked[2] ?? 0) - (asked[1] ?? 0)).toBeGreaterThanOrEqual(1_990);
});

test("a page token that expires starts the list again, and pages of two lists are never mixed", async () => {
  const item = (name: string): object => ({
    metadata: { namespace: "ns", name, uid: name, resourceVersion: "1" },
  });
  const page = (items: object[], more?: string): string =>
    JSON.stringify({ metadata: { resourceVersion: "5", ...(more && { continue: more }) }, items });
  const answers = [
    page([item("from-the-first-list")], "next"),
    undefined,
    page([item("a")], "next"),
    page([item("b")]),
  ];
  const kubeconfig = await standIn((count) => {
    if (count > answers.length) return "silent watch";
    const answer = answers[count - 1];
    return { code: answer === undefined ? 410 : 200, body: answer ?? '{"reason":"Expired"}' };
  });
  const reflector = startReflector(openBench(kubeconfig), configMaps);
  await eventually(() => expect(reflector.status).toEqual({ state: "synced" }), 10_000);
  expect([...reflector.objects.keys()]).toEqual(["ns/a", "ns/b"]);
});

test("a watch that ends as soon as it begins is not opened again and again", async () => {
  const asked: number[] = [];
  const list = JSON.stringify({ metadata: { resourceVersion: "5" }, items: [] });
  const kubeconfig = await standIn((count) => {
    asked.push(performance.now());
    return { code: 200, body: count === 1 ? list : "" };
  });
  const bench = openBench(kubeconfig);
  const reflector = startReflector(bench, configMaps);
  await eventually(
    () => expect(bench.log.some(({ message }) => message === "not watching")).toBe(true),
    10_000,
  );
  await eventually(() => expect(asked.length).toBeGreaterThanOrEqual(5), 20_000);
  // After the first watch: 0.5 s, 1 s, 2 s, at half their length.
  expect((asked[4] ?? 0) - (asked[1] ?? 0)).toBeGreaterThan(1_500);
  expect(reflector.status.state).not.toBe("pending");
});

test("a credential file's content is never part of a message", async () => {
  const broken = await kubeconfigThrough(server, { port: 1 });
  await writeFile(broken, "users: [{name: a, user: {token: s3cret}}]\nclusters: {{{");
  const { client, signal } = openBench(broken);
  const failure = await client
    .request({ method: "GET", path: "/api", signal })
    .catch((error: unknown) => String(error));
  expect(failure).toContain("the kubeconfig cannot be used");
  expect(failure).not.toContain("s3cret");
});
