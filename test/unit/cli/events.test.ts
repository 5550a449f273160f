import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { readEvents } from "../../../src/cli/events/cluster-events.ts";
import { followEvents, followRing, type Ring } from "../../../src/cli/events/follow.ts";
import { howToReach, leadersOf, standingOf } from "../../../src/cli/events/leader.ts";
import { askerAt, readChanges } from "../../../src/cli/events/ring.ts";
import { isWanted, type Told } from "../../../src/cli/events/told.ts";
import { followedText, toldLines } from "../../../src/cli/events/view.ts";
import { KubeError } from "../../../src/kube/errors.ts";
import { type Change, type Changes, hostChanges } from "../../../src/model/change.ts";
import { openSettled, two } from "../../controllers/scenes.ts";
import { home, hubKey, minute, rootNamespace, second } from "../../controllers/world.ts";
import { accessTo, shownBelow } from "../../support/commands.ts";
import { rowsOf, sectionOf, textOf } from "../../support/markdown.ts";

const change = (seq: number, more: Partial<Change> = {}): Change => ({
  seq,
  at: "2024-02-04T03:02:00Z",
  hub: hubKey,
  registry: "zookeeper",
  host: "demo/demo.a.demo",
  endpoint: "",
  what: "Created",
  why: "the registry lists it",
  ...more,
});
const answerOf = (
  identity: string,
  changes: readonly Change[] = [],
  more: Partial<Changes> = {},
): Changes => ({
  identity,
  lease: "servicemesh/registryhub",
  since: "2024-02-04T03:00:00Z",
  forgotten: 0,
  last: changes.at(-1)?.seq ?? 0,
  changes,
  ...more,
});

/** A server that answers every path alike. Returns its port. */
async function serving(body: string, status = 200): Promise<number> {
  const server = createServer((_, response) => response.writeHead(status).end(body));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}
const ask = (port: number) => askerAt(port)(0, new AbortController().signal);

describe("who answers at the port", () => {
  test("is read if it is an operator", async () => {
    const answer = answerOf("pod_1", [change(1)]);
    expect(await ask(await serving(JSON.stringify(answer)))).toEqual(answer);
  });

  test.each([
    ["a page", "<html>", 200, /is no operator$/],
    ["other JSON", '{"status":"ok"}', 200, /is no operator$/],
    ["null", "null", 200, /is no operator$/],
    ["an error", "no", 404, /answers 404 to GET \/changes$/],
  ])("%s is told in words", async (_, body, status, words) => {
    expect(await ask(await serving(body, status))).toMatch(words);
  });

  test("nobody is told in words", async () => {
    expect(await ask(1)).toBe("no operator answers at 127.0.0.1:1");
  });

  test("fields that are not as they should be are empty", () => {
    expect(
      readChanges({ identity: "a", lease: "", changes: [null, { host: 3, registry: "etcd" }] }),
    ).toMatchObject({
      last: 0,
      changes: [
        { seq: 0, host: "" },
        { host: "", registry: "" },
      ],
    });
  });
});

describe("an operator that answers", () => {
  test.each([
    ["is the leader", "pod_1", "servicemesh/registryhub", ["pod_1"], true, ""],
    ["is that of a lane", "pod_2", "servicemesh/registryhub-1", ["pod_1", "pod_2"], true, ""],
    [
      "leads another cluster, or led this one",
      "pod_9",
      "servicemesh/registryhub",
      ["pod_1"],
      false,
      "pod_1 does",
    ],
    [
      "leads another cluster, and nobody this one",
      "pod_9",
      "servicemesh/registryhub",
      [],
      false,
      "nobody does",
    ],
    ["leads without a Lease where one leads with it", "pod_9", "", ["pod_1"], false, "pod_1 does"],
    ["leads without a Lease", "pod_9", "", [], true, "without leader election"],
    ["cannot be judged", "pod_9", "servicemesh/registryhub", undefined, true, "may not list Leases"],
  ])("%s", (_, identity, lease, leaders, isBelieved, words) => {
    const standing = standingOf({ identity, lease }, leaders);
    expect(standing.isBelieved).toBe(isBelieved);
    expect(standing.note).toContain(words);
    expect(standing.note === "").toBe(words === "");
  });

  test("is looked for in the Leases of hub-controllers only", async () => {
    const world = await openSettled();
    const lease = (name: string, holderIdentity: string) =>
      world.person.put({
        apiVersion: "coordination.k8s.io/v1",
        kind: "Lease",
        metadata: { namespace: rootNamespace, name },
        spec: { holderIdentity },
      });
    lease("registryhub", "hub-7d9f-x2x_1");
    lease("dubbo-controller", "dubbo_1");
    lease("theirs", "theirs_1");
    const leaders = await leadersOf(accessTo(world), rootNamespace);
    expect(leaders).toEqual(["hub-7d9f-x2x_1"]);
    expect(howToReach(leaders, "servicemesh", 8081)).toBe(
      "kubectl -n servicemesh port-forward pod/hub-7d9f-x2x 8081",
    );
    expect(howToReach(undefined, "servicemesh", 9000)).toBe(
      "kubectl -n servicemesh port-forward pod/<that holds the Lease registryhub> 9000:8081",
    );
  });
});

describe("the Events of the cluster", () => {
  test("tell what became of a hub and its entries", async () => {
    const world = await openSettled();
    world.registry().remove("demo.A");
    await world.advance(1 * second);
    const { told, unseen } = await readEvents(accessTo(world), { hub: hubKey });
    expect(unseen).toEqual([]);
    const rows = told.map(({ what, host, hub, registry }) => [what, host, hub, registry].join(" "));
    // Those of one second are in no order.
    expect(rows.toSorted()).toEqual([
      "Applied  demo/hub zookeeper",
      "Emptied demo/demo.a.demo demo/hub zookeeper",
      "Synced  demo/hub zookeeper",
    ]);
    expect((await readEvents(accessTo(world), { hub: "demo/other" })).told).toEqual([]);
    expect((await readEvents(accessTo(world), { namespace: home })).told).toHaveLength(3);
    expect((await readEvents(accessTo(world), { namespace: "shop" })).told).toEqual([]);
  });

  test("of others are left out", async () => {
    const world = await openSettled();
    const before = (await readEvents(accessTo(world), {})).told.length;
    world.person.put({
      apiVersion: "v1",
      kind: "Event",
      metadata: { namespace: home, name: "theirs" },
      involvedObject: { kind: "RegistryHub", namespace: home, name: "hub" },
      reason: "Theirs",
      source: { component: "somebody" },
    });
    expect((await readEvents(accessTo(world), {})).told).toHaveLength(before);
  });
});

/** Follows a ring whose answers are these, one for each poll, to their end. */
async function followed(answers: readonly (Changes | string)[], first: Changes) {
  const stopping = new AbortController();
  const [printed, said, asked]: [number[], string[], number[]] = [[], [], []];
  let at = 0;
  const ring: Ring = {
    first,
    ask: async (after) => {
      asked.push(after);
      const answer = answers[at++] ?? "the end";
      if (at >= answers.length) stopping.abort();
      return typeof answer === "string"
        ? answer
        : { ...answer, changes: answer.changes.filter(({ seq }) => seq > after) };
    },
    judge: async ({ identity, lease }) => standingOf({ identity, lease }, ["pod_1", "pod_2"]),
  };
  await followRing(ring, (changes) => void printed.push(...changes.map(({ seq }) => seq)), {
    clock: { sleep: async () => undefined },
    signal: stopping.signal,
    say: (line) => void said.push(line),
  });
  return { printed, said, asked };
}

describe("whoever follows", () => {
  test("gets each change once, asks for what comes after, and hears of what he missed", async () => {
    const first = answerOf("pod_1", [change(1), change(2)]);
    const more = [
      answerOf("pod_1", [change(3)]),
      answerOf("pod_1", [], { last: 3 }),
      answerOf("pod_1", [change(2_001)], { forgotten: 1_003 }),
      answerOf("pod_1", [], { last: 2_001, forgotten: 1_003 }),
    ];
    expect(await followed(more, first)).toEqual({
      printed: [3, 2_001],
      said: ["1000 changes came and went before they were asked for"],
      asked: [2, 3, 3, 2_001],
    });
  });

  test("waits for the next leader, is told of it, and gets all of its changes", async () => {
    const first = answerOf("pod_1", [change(7)]);
    const gone = "no operator answers at 127.0.0.1:8081";
    const next = answerOf("pod_2", [change(1), change(2)]);
    const { printed, said, asked } = await followed([gone, gone, next, next, next], first);
    expect(printed).toEqual([1, 2]);
    expect(said).toEqual([
      expect.stringMatching(/^no operator answers at 127\.0\.0\.1:8081; waiting for one/),
      "another operator leads now: pod_2",
    ]);
    expect(asked).toEqual([7, 7, 7, 0, 2]);
  });

  test("does not believe one that does not lead the cluster", async () => {
    const first = answerOf("pod_1", [change(7)]);
    const stale = answerOf("pod_9", [change(1)]);
    const { printed, said } = await followed([stale, stale, answerOf("pod_1", [change(8)])], first);
    expect(printed).toEqual([8]);
    expect(said).toEqual([expect.stringMatching(/^pod_9 answers there and does not lead this cluster/)]);
  });

  test("gets each Event once, and goes on when the API server was away", async () => {
    const stopping = new AbortController();
    const told = (why: string): Told => {
      const { seq: _, ...one } = change(1, { why });
      return one;
    };
    const away = new KubeError({ status: 0, reason: "Unreachable", text: "refused" });
    const looks: (readonly Told[] | KubeError)[] = [[told("a"), told("b")], away, [told("b"), told("c")]];
    const [printed, said]: [string[], string[]] = [[], []];
    const read = async () => {
      const look = looks.shift() ?? [];
      if (looks.length === 0) stopping.abort();
      if (look instanceof KubeError) throw look;
      return { told: look, unseen: [] };
    };
    await followEvents([told("a")], read, (news) => void printed.push(...news.map(({ why }) => why)), {
      clock: { sleep: async () => undefined },
      signal: stopping.signal,
      say: (line) => void said.push(line),
    });
    expect(printed).toEqual(["b", "c"]);
    expect(said).toEqual([expect.stringMatching(/^the Events cannot be read: .*; trying again$/)]);
  });
});

describe("what is printed", () => {
  const { seq: _, ...one } = change(1, { endpoint: "10.42.0.1:20880", what: "EndpointRemoved", why: "gone" });

  test("has the endpoint before the reason, and wide a column for it", () => {
    expect(toldLines([one], false).map((line) => line.split(/ {2,}/))).toEqual([
      ["TIME", "HUB", "HOST", "WHAT", "WHY"],
      ["2024-02-04T03:02:00Z", "demo/hub", "demo.a.demo", "EndpointRemoved", "10.42.0.1:20880: gone"],
    ]);
    expect(toldLines([one], true)[1]?.split(/ {2,}/)).toEqual([
      "2024-02-04T03:02:00Z",
      "zookeeper",
      "demo/hub",
      "demo",
      "demo.a.demo",
      "10.42.0.1:20880",
      "EndpointRemoved",
      "gone",
    ]);
  });

  test("gives a terminal no commands", () => {
    expect(followedText([{ ...one, why: "\u001b[2Jgone" }], "text", false)).not.toContain("\u001b");
  });

  test("while somebody follows is a line of JSON for each", () => {
    expect(
      followedText([one, one], "json", false)
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toEqual([one, one]);
    expect(followedText([], "json", true)).toBe("");
  });

  test("is of the hub or the namespace that was asked for", () => {
    const unknown = { hub: "", host: "demo/aeraki-demo-a-demo" };
    expect(isWanted(one, {})).toBe(true);
    expect(isWanted(one, { hub: "demo/other" })).toBe(false);
    expect(isWanted(unknown, { hub: hubKey })).toBe(true);
    expect(isWanted(unknown, { hub: "shop/hub" })).toBe(false);
    expect(isWanted({ hub: "shop/hub", host: "demo/x" }, { namespace: "demo" })).toBe(true);
    expect(isWanted({ hub: "shop/hub", host: "" }, { namespace: "demo" })).toBe(false);
  });
});

describe("docs/commands.md", () => {
  test("shows what the command prints", async () => {
    const world = await openSettled();
    const shop = (...addresses: string[]) => world.registry().lists({ ...two, "demo.A": addresses });
    shop("10.42.0.1:20880", "10.42.0.9:20880");
    await world.advance(1 * minute);
    shop("10.42.0.9:20880");
    await world.advance(1 * minute);
    world.registry().lists({});
    await world.advance(6 * minute);
    const lines = toldLines(world.hubController.changes(), false);
    expect(lines.join("\n")).toBe(shownBelow("kubectl registryhub events -n demo hub"));
  });

  test("has a row for each change of a host, in order", () => {
    const rows = rowsOf(sectionOf(textOf("docs/commands.md"), "## events"));
    const told = rows.flatMap(([what = "", meaning]) => (what.startsWith("`") ? [[what, meaning]] : []));
    expect(told).toEqual(Object.entries(hostChanges).map(([what, meaning]) => [`\`${what}\``, meaning]));
  });
});
