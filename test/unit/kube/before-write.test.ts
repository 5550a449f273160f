import { expect, onTestFinished, test } from "vitest";
import { createClient } from "../../../src/kube/client.ts";
import { KubeError } from "../../../src/kube/errors.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import { silentLogger } from "../../support/model.ts";
import { openHttpApiServer } from "./http-api-server.ts";

/** An API server that says yes to everything, and the paths that it was asked for. */
async function openServer() {
  const asked: string[] = [];
  const kubeconfig = await openHttpApiServer((request, response) => {
    asked.push(request.url ?? "");
    request.resume().on("end", () => response.end("{}"));
  });
  return { asked, kubeconfig };
}

test("a write that waits for its connection is not sent once the leadership is over, and a read is", async () => {
  const { asked, kubeconfig } = await openServer();
  let leads = true;
  const beforeWrite = (): void => {
    if (!leads) throw new KubeError({ status: 0, reason: "NotLeading", text: "not sent" });
  };
  const options = { kubeconfig, userAgent: "test", concurrency: 1, beforeWrite };
  const client = createClient(options, { clock: systemClock, random: Math.random, logger: silentLogger });
  onTestFinished(() => client.close());
  const { signal } = new AbortController();
  const write = (path: string) => client.request({ method: "PATCH", path, body: {}, signal });
  await write("/first");

  // The connection is idle, but undici uses it at the end of this turn of the event loop at the earliest. The process is
  // stopped before that, and another one leads when it goes on.
  const second = write("/second");
  for (let step = 0; step < 20; step++) await Promise.resolve();
  leads = false;
  await expect(second).rejects.toMatchObject({ reason: "NotLeading" });
  await client.request({ method: "GET", path: "/read", signal });
  leads = true;
  await write("/third");
  expect(asked).toEqual(["/first", "/read", "/third"]);
});
