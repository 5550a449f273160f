import { expect, test } from "vitest";
import { UnexplainedEntries } from "../../../../src/controllers/hub/unexplained-entries.ts";
import { silentLogger } from "../../../support/model.ts";

/** With what it logged and which namespaces it told of. */
function create() {
  const [logged, changed]: [unknown[], string[]] = [[], []];
  const logger = { ...silentLogger, warn: (_: string, fields?: object) => void logged.push(fields) };
  return {
    entries: new UnexplainedEntries(logger, (namespace) => void changed.push(namespace)),
    logged,
    changed,
  };
}

test("each is told once, when it appears, and its namespace hears when it goes", () => {
  const { entries, logged, changed } = create();
  entries.record("red/a.red", undefined);
  expect(changed).toEqual([]);
  for (const name of ["a", "a"]) entries.record("red/a.red", name);
  entries.record("blue/b.blue", "b");
  expect(logged).toEqual([
    { host: "red/a.red", name: "a" },
    { host: "blue/b.blue", name: "b" },
  ]);
  expect([changed, entries.size]).toEqual([["red", "blue"], 2]);
  entries.record("red/a.red", undefined);
  expect([changed, entries.size, logged.length]).toEqual([["red", "blue", "red"], 1, 2]);
});

test("a namespace hears of its own, with the command that removes it", () => {
  const { entries } = create();
  entries.record("red/a.red", "a");
  entries.record("redder/b.redder", "b");
  expect(entries.problemsIn("red")).toMatchObject([
    { at: "a.red", code: "UnexplainedEntry", severity: "warning" },
  ]);
  expect(entries.problemsIn("redder")[0]?.detail).toMatch(/: kubectl delete serviceentry -n redder b$/);
  expect(entries.problemsIn("blue")).toEqual([]);
});
