import { stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished } from "vitest";
import { pageRoutes } from "../../src/cli/page/routes.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import type { ListeningServer } from "../../src/runtime/listen.ts";
import { serveLocally } from "../../src/runtime/local-server.ts";
import { temporaryFolder } from "../bed/watchdog.ts";
import type { World } from "../controllers/world.ts";
import type { WatchedPage } from "../support/browser.ts";
import { eventually } from "../support/eventually.ts";
import { silentLogger } from "../support/model.ts";

const checkout = new URL("../../", import.meta.url);
/** More would be a burden to every clone. */
const mostBytes = 300_000;
/** The operator takes in a change, the page asks again, on a busy machine. */
const shownMs = 25_000;

/** Serves the page of the hub-controller of a world on fakes, as the leader does, until the test ends. */
export async function servePage(
  world: World,
  { identity = "pod_1", port = 0, source = world.hubController.source() } = {},
): Promise<ListeningServer> {
  const clock = { now: () => world.clock.now(), monotonic: () => systemClock.monotonic() };
  const who = { identity, lease: "servicemesh/registryhub" };
  const routes = pageRoutes(source, who, new URL("src/page/", checkout), clock);
  const server = await serveLocally(port, routes, silentLogger);
  onTestFinished(() => server[Symbol.asyncDispose]());
  return server;
}

/** Waits until a place of the page, a selector, has a text. */
export async function shows({ page }: WatchedPage, place: string, text: string | RegExp): Promise<void> {
  await eventually(async () => expect(await page.locator(place).innerText()).toMatch(text), shownMs);
}

/** Nothing was loaded from elsewhere, and the browser complained of nothing. */
export function expectQuiet({ problems, origins }: WatchedPage, port: number): void {
  expect(problems).toEqual([]);
  expect([...origins]).toEqual([`http://127.0.0.1:${port}`]);
}

/** Takes a picture of what a person sees first; with SCREENSHOTS=1 it is that of the docs. */
export async function takePicture({ page }: WatchedPage, name: string): Promise<void> {
  await using folder = temporaryFolder("picture");
  const images = fileURLToPath(new URL("docs/images", checkout));
  const path = join(process.env.SCREENSHOTS ? images : folder.path, name);
  await page.screenshot({ path });
  const { size } = await stat(path);
  expect(size).toBeGreaterThan(20_000); // an empty page has less
  expect(size).toBeLessThan(mostBytes);
}
