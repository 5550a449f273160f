import { expect, test } from "vitest";
import { GoneHubs } from "../../src/controllers/gone-hubs.ts";
import { fakeClock } from "../support/fake-clock.ts";

function watched() {
  const clock = fakeClock();
  return { clock, gone: new GoneHubs(clock, 60_000) };
}

test("a hub is gone after it has been missing for the whole time", () => {
  const { clock, gone } = watched();
  expect(gone.goneInMs("ns/a")).toBe(60_000);
  clock.advance(59_999);
  expect(gone.goneInMs("ns/a")).toBe(1);
  clock.advance(1);
  expect(gone.goneInMs("ns/a")).toBe(0);
  expect(gone.goneInMs("ns/b")).toBe(60_000);
});

test.each([
  ["it is seen in between", (gone: GoneHubs) => gone.seen("ns/a")],
  ["the list was not complete in between", (gone: GoneHubs) => gone.reset()],
])("the time starts anew when %s", (_, happens) => {
  const { clock, gone } = watched();
  gone.goneInMs("ns/a");
  clock.advance(59_999);
  happens(gone);
  expect(gone.goneInMs("ns/a")).toBe(60_000);
});
