import type { ServerResponse } from "node:http";
import { expect, onTestFinished, test } from "vitest";
import { createClient } from "../../../src/kube/client.ts";
import { fakeClock } from "../../support/fake-clock.ts";
import { silentLogger } from "../../support/model.ts";
import { openHttpApiServer } from "./http-api-server.ts";

const count = 12;

/** An API server that answers when so many have asked, and then all at once. Returns its kubeconfig. */
function openServer(): Promise<string> {
  let asking: ServerResponse[] = [];
  return openHttpApiServer((request, response) => {
    request.resume().on("end", () => {
      asking.push(response);
      if (asking.length < count) return;
      for (const one of asking) one.end("{}");
      asking = [];
    });
  });
}

test("answers that come all at once leave the event loop its turns, whatever each of them costs", async () => {
  const clock = fakeClock();
  const options = { kubeconfig: await openServer(), userAgent: "test", concurrency: count };
  const client = createClient(options, { clock, random: Math.random, logger: silentLogger });
  onTestFinished(() => client.close());
  const turns: number[] = [];
  let [inTurn, left] = [0, count];
  const look = (): void => {
    turns.push(inTurn);
    inTurn = 0;
    if (left > 0) setImmediate(look);
  };
  setImmediate(look);
  const { signal } = new AbortController();
  const ask = async (_: unknown, at: number): Promise<void> => {
    await client.request({ method: "GET", path: `/${at}`, signal });
    clock.advance(3);
    inTurn++;
    left--;
  };
  await Promise.all(Array.from({ length: count }, ask));
  await new Promise((over) => setImmediate(over));
  expect(Math.max(...turns)).toBeLessThanOrEqual(2);
});
