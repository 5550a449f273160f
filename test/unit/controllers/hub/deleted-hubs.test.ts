import { expect, test } from "vitest";
import { DeletedHubs } from "../../../../src/controllers/hub/deleted-hubs.ts";
import { fakeClock } from "../../../support/fake-clock.ts";

type Answer = "missing" | "there" | "silent";

function watched(...answers: readonly Answer[]) {
  const clock = fakeClock();
  const asked: string[] = [];
  const left = [...answers];
  const gone = new DeletedHubs(clock, 60_000, async (key) => {
    asked.push(key);
    const answer = left.shift() ?? "missing";
    if (answer === "silent") throw new Error("no answer");
    return answer === "there";
  });
  return { clock, gone, asked };
}

/** Lets an answer arrive. */
const answered = () => new Promise((resolve) => setImmediate(resolve));

test("a hub is gone after it has been missing for the whole time, and the API server confirms it", async () => {
  const { clock, gone, asked } = watched();
  expect(gone.goneInMs("ns/a")).toBe(60_000);
  clock.advance(59_999);
  expect(gone.goneInMs("ns/a")).toBe(1);
  clock.advance(1);
  expect(gone.goneInMs("ns/a")).toBeGreaterThan(0);
  expect(gone.goneInMs("ns/a")).toBeGreaterThan(0);
  await answered();
  expect([gone.goneInMs("ns/a"), asked]).toEqual([0, ["ns/a"]]);
  expect(gone.goneInMs("ns/b")).toBe(60_000);
});

test("a hub that the API server still has is missed anew: the watch was dead", async () => {
  const { clock, gone } = watched("there");
  gone.goneInMs("ns/a");
  clock.advance(60_000);
  gone.goneInMs("ns/a");
  await answered();
  expect(gone.goneInMs("ns/a")).toBe(60_000);
});

test("without an answer it is asked again a second later", async () => {
  const { clock, gone, asked } = watched("silent");
  gone.goneInMs("ns/a");
  clock.advance(60_000);
  gone.goneInMs("ns/a");
  await answered();
  expect(gone.goneInMs("ns/a")).toBe(1_000);
  clock.advance(1_000);
  gone.goneInMs("ns/a");
  await answered();
  expect([gone.goneInMs("ns/a"), asked]).toEqual([0, ["ns/a", "ns/a"]]);
});

test.each([
  ["it is seen in between", (gone: DeletedHubs) => gone.seen("ns/a")],
  ["the list was not complete in between", (gone: DeletedHubs) => gone.reset()],
])("the time starts anew when %s", async (_, happens) => {
  const { clock, gone } = watched();
  gone.goneInMs("ns/a");
  clock.advance(59_999);
  happens(gone);
  expect(gone.goneInMs("ns/a")).toBe(60_000);
  clock.advance(60_000);
  gone.goneInMs("ns/a");
  happens(gone); // while the API server is being asked
  await answered();
  expect(gone.goneInMs("ns/a")).toBe(60_000);
  clock.advance(60_000);
  gone.goneInMs("ns/a");
  await answered();
  expect(gone.goneInMs("ns/a")).toBe(0);
  happens(gone); // after it was found to be gone
  expect(gone.goneInMs("ns/a")).toBe(60_000);
});
