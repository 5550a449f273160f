import { describe, expect, test } from "vitest";
import { changesAnswer, type Happening, History } from "../../../../src/controllers/hub/history.ts";
import { fakeClock } from "../../../support/fake-clock.ts";

const who = { identity: "pod_1", lease: "servicemesh/registryhub" };
const happening = (host: string, hub = "demo/hub"): Happening => ({
  hub,
  registry: "zookeeper",
  host,
  endpoint: "",
  what: "Created",
  why: "the registry lists it",
});
const answer = (history: History, query = "") => changesAnswer(history, who, new URLSearchParams(query));
const hostsOf = (history: History, query = "") => answer(history, query).changes.map(({ host }) => host);

describe("the history", () => {
  test("tells what is of several hubs to whoever asks for one of them", () => {
    const history = new History(fakeClock());
    history.add({ ...happening("demo/both"), others: ["demo/second"] });
    history.add(happening("demo/one"));
    expect(hostsOf(history, "hub=demo/second")).toEqual(["demo/both"]);
    expect(hostsOf(history, "hub=demo/hub")).toEqual(["demo/both", "demo/one"]);
  });

  test("keeps what happened in order, with its time and number", () => {
    const clock = fakeClock();
    const history = new History(clock);
    const since = history.since;
    history.add(happening("demo/a"));
    clock.advance(2_000);
    history.add(happening("demo/b"));
    const [first, second, ...more] = answer(history).changes;
    expect(more).toEqual([]);
    expect(first).toMatchObject({ seq: 1, at: since, host: "demo/a", why: "the registry lists it" });
    expect(second).toMatchObject({ seq: 2, host: "demo/b" });
    expect(Date.parse(second?.at ?? "") - Date.parse(first?.at ?? "")).toBe(2_000);
    expect(answer(history)).toMatchObject({ ...who, since, forgotten: 0, last: 2 });
  });

  test("keeps the last 1,000, and says how many it had to forget", () => {
    const history = new History(fakeClock());
    for (let at = 1; at <= 2_500; at++) history.add(happening(`demo/${at}`));
    const { changes, forgotten, last } = answer(history);
    expect([changes.length, forgotten, last]).toEqual([1_000, 1_500, 2_500]);
    expect([changes[0]?.seq, changes[0]?.host, changes.at(-1)?.seq]).toEqual([1_501, "demo/1501", 2_500]);
  });

  test("of nothing is empty", () => {
    expect(answer(new History(fakeClock()))).toMatchObject({ last: 0, forgotten: 0, changes: [] });
  });
});

describe("an answer", () => {
  const history = new History(fakeClock());
  for (const [host, hub] of [
    ["demo/a", "demo/hub"],
    ["shop/b", "shop/hub"],
    ["demo/c", "demo/hub"],
  ] as const)
    history.add(happening(host, hub));

  test.each([
    ["", ["demo/a", "shop/b", "demo/c"]],
    ["hub=demo/hub", ["demo/a", "demo/c"]],
    ["hub=demo/other", []],
    ["after=1", ["shop/b", "demo/c"]],
    ["after=2&hub=demo/hub", ["demo/c"]],
    ["after=3", []],
    ["after=99999999999999999999", ["demo/a", "shop/b", "demo/c"]],
    ["after=-5", ["demo/a", "shop/b", "demo/c"]],
    ["after=soon", ["demo/a", "shop/b", "demo/c"]],
    ["after=4000", []],
  ])("to ?%s", (query, hosts) => {
    expect(hostsOf(history, query)).toEqual(hosts);
    expect(answer(history, query).last).toBe(3);
  });
});
