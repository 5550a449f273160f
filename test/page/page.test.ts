import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { AxeResults } from "axe-core";
import { beforeAll, describe, expect, test } from "vitest";
import { statusOf } from "../controllers/looks.ts";
import { openSettled, ten, without } from "../controllers/scenes.ts";
import { hub, minute, openWorld, second, type World } from "../controllers/world.ts";
import { type Browser, openBrowser, type WatchedPage } from "../support/browser.ts";
import { expectQuiet, servePage, shows, takePicture } from "./scene.ts";

let browser: Browser;
beforeAll(async () => {
  browser = await openBrowser();
  return () => browser[Symbol.asyncDispose]();
});

const urlOf = (port: number, at = ""): string => `http://127.0.0.1:${port}/${at}`;
const textOf = ({ page }: WatchedPage, place: string): Promise<string> => page.locator(place).innerText();
async function open(world: World, at = "", size?: { width: number; height: number }) {
  const { port } = await servePage(world);
  return { port, watched: await browser.open(urlOf(port, at), size) };
}

/** How long nothing else could run while something was done. */
async function longestPauseMs(run: () => Promise<unknown>): Promise<number> {
  let longestMs = 0;
  let last = performance.now();
  const look = (): void => {
    longestMs = Math.max(longestMs, performance.now() - last);
    last = performance.now();
  };
  const timer = setInterval(look, 1);
  await run();
  clearInterval(timer);
  look();
  return longestMs;
}

/** 10,000 services of three instances each. */
function tenThousand() {
  const address = (at: number, of: number): string => `10.${60 + of}.${at >> 8}.${at & 255}:20880`;
  const names = Array.from({ length: 10_000 }, (_, at) => `org.example.shop.S${at}`);
  return Object.fromEntries(names.map((name, at) => [name, [0, 1, 2].map((of) => address(at, of))]));
}

describe("the page of 10,000 services", () => {
  test("is painted within 2 s, shows 500, and finds the others", async () => {
    const world = await openSettled({ services: tenThousand() });
    const { port, watched } = await open(world);
    await shows(watched, "#found", "10000 services; the first 500 are shown. Search to see others.");
    const [paintedMs, shownMs] = await watched.page.evaluate<readonly [number, number]>(
      "[performance.getEntriesByName('first-contentful-paint')[0].startTime, performance.now()]",
    );
    expect(paintedMs).toBeLessThan(2_000);
    expect(shownMs).toBeLessThan(5_000); // with everything, and the browser beside it
    expect(await watched.page.locator("#services tbody tr").count()).toBe(500);
    expect(await watched.page.locator("#picture svg a .mark").count()).toBe(501);
    await takePicture(watched, "page-10000.png");
    await watched.page.fill("#search", "shop.s9999");
    await shows(watched, "#found", "1 of 10000 services match.");
    await watched.page.fill("#search", "10.62.39.15");
    await shows(watched, "#services", /org\.example\.shop\.s9999\.demo/);
    expectQuiet(watched, port);
  });

  test("does not hold up the operator", async () => {
    const world = await openSettled({ services: tenThousand() });
    const { port } = await servePage(world);
    const ask = async (): Promise<number> => {
      const response = await fetch(urlOf(port, "api/services?search=none-of-them"));
      return ((await response.json()) as { readonly total: number }).total;
    };
    await ask(); // loads what fetch needs, which is the test's own
    expect(await longestPauseMs(() => Promise.all(Array.from({ length: 8 }, ask)))).toBeLessThan(50);
  });
});

test("5,000 hubs with 20 problems each neither hold up the operator nor fill the line", async () => {
  const world = await openSettled();
  const problem = { at: "demo.A", problem: `BadPort: ${"x".repeat(200)}`, severity: "rejected" };
  const status = statusOf(world);
  const keys = Array.from({ length: 5_000 }, (_, at) => `hub-${at}`);
  const hubs = new Map(
    keys.map((name) => [
      `demo/${name}`,
      { ...hub({}, { name }), status: { ...status, problems: Array(20).fill(problem) } },
    ]),
  );
  const { knowledge, history } = world.hubController.source();
  const source = { knowledge: { ...knowledge, hubs }, history } as never;
  const { port } = await servePage(world, { source });
  const ask = async (): Promise<string> => (await fetch(urlOf(port, "api/hubs?hub=demo/hub-7"))).text();
  const text = await ask();
  expect(text.length).toBeLessThan(500_000);
  expect(JSON.parse(text)).toMatchObject({ total: 5_000, hub: { key: "demo/hub-7", problemCount: 20 } });
  expect(await longestPauseMs(ask)).toBeLessThan(50);
  const watched = await browser.open(urlOf(port, "#hub=demo/hub-7"));
  await shows(watched, "#hubs", "All are fine. The first 500 of 5000 are shown.");
  await shows(watched, "#hub", /Problems: 20 shown/);
});

describe("after an incident", () => {
  test("says what is held, until when, how to release it, and which endpoints it keeps", async () => {
    const world = await openSettled({ services: ten });
    world.registry().lists(without(ten, 9));
    await world.advance(2 * second);
    const { port, watched } = await open(world);
    await shows(watched, "#hubs", /1 of 1 need a look[\s\S]*9 services \(Shrunk\)/);
    await watched.page.click("#hubs a");
    await shows(watched, "#hub", "Removals are held: Shrunk");
    await shows(watched, "#hub", /To release: kubectl annotate --overwrite registryhub -n demo hub /);
    await watched.page.selectOption("#state", "held");
    await shows(watched, "#found", "9 of 10 services match.");
    await watched.page.click("#services a >> nth=0");
    await shows(watched, "#service", /kept: many services vanished at once, hold until /);
    await shows(watched, "#changes", /Held/);
    await world.advance(6 * minute);
    await shows(watched, "#hub", /^(?![\s\S]*held)/);
    await shows(watched, "#service", /empty since .*: calls fail fast/);
    await shows(watched, "#changes", /Emptied/);
    expectQuiet(watched, port);
  });

  test("says that it gets no answer, and goes on with the next leader, from that one's own history", async () => {
    const world = await openSettled();
    const first = await servePage(world);
    const watched = await browser.open(urlOf(first.port));
    await shows(watched, "#freshness", /^As of .*, by pod_1$/);
    await shows(watched, "#changes", /Created/);
    await first[Symbol.asyncDispose]();
    await shows(watched, "#freshness", /^No answer .* does its pod still lead\? What you see is as of /);
    expect(await textOf(watched, "#services")).toContain("demo.a.demo");
    await world.hubController.restart();
    await world.advance(2 * minute);
    await servePage(world, { identity: "pod_2", port: first.port });
    await shows(watched, "#freshness", /^As of .*, by pod_2$/);
    await shows(watched, "#changes", /^(?![\s\S]*Created)/);
  });
});

describe("what comes from registries and from the cluster", () => {
  test("is text, whatever stands in it", async () => {
    const evil = '<img src=x onerror="alert(1)"><script>alert(2)</script>';
    const long = "x".repeat(5_000);
    const world = openWorld();
    const services = { [evil]: "10.42.0.4:8080", [long]: "10.42.0.5:8080", "\u202Eorders": "10.42.0.6:8080" };
    const lists = Object.entries({ ...services, shop: "10.42.0.7:8080" });
    world.registry("consul").lists(Object.fromEntries(lists.map(([name, one]) => [name, [one]])), "spring");
    world.person.put(hub({ type: "consul", address: "consul", generate_to: "demo" }));
    await world.hubController.start();
    await world.advance(2 * minute);
    const { port, watched } = await open(world, "#hub=demo/hub");
    await shows(watched, "#hub", /Problems: \d/);
    await shows(watched, "#services", /<img src=x/);
    const hash = `#hub=${encodeURIComponent(evil)}&host=${encodeURIComponent(evil)}&search=${encodeURIComponent(evil)}`;
    await watched.page.goto(urlOf(port, hash));
    await shows(watched, "#service", /<img src=x/);
    expect(await watched.page.locator("img").count()).toBe(0);
    expect(await watched.page.locator("body script").count()).toBe(0);
    expectQuiet(watched, port);
  });

  test("could run nothing, even if it became more than text", async () => {
    const { watched } = await open(await openSettled());
    await watched.page.evaluate(`
      document.body.append(Object.assign(document.createElement("script"), { textContent: "globalThis.evil = 1" }));
      document.body.append(Object.assign(document.createElement("img"), { src: "http://192.0.2.1/x.png" }));
    `);
    await expect.poll(() => watched.problems.length).toBe(2);
    expect(watched.problems.join()).toMatch(/Content Security Policy/);
    expect(await watched.page.evaluate("'evil' in globalThis")).toBe(false);
  });
});

describe("everybody can use it", () => {
  test("with a keyboard: to a hub, a service and back", async () => {
    const { watched } = await open(await openSettled());
    await shows(watched, "#services", /demo\.a\.demo/);
    const focused = () => watched.page.evaluate("document.activeElement.textContent");
    for (let at = 0; at < 10 && (await focused()) !== "demo/hub"; at++)
      await watched.page.keyboard.press("Tab");
    await watched.page.keyboard.press("Enter");
    await shows(watched, "#hub", /zookeeper at zk:2181/);
    await watched.page.goBack();
    await expect.poll(() => watched.page.locator("#hub-section").isVisible()).toBe(false);
  });

  test("whose search field says what the address says, also where they go back and forth while in it", async () => {
    const { watched } = await open(await openSettled());
    await shows(watched, "#services", /demo\.a\.demo/);
    await watched.page.fill("#search", "demo.b");
    await shows(watched, "#found", "1 of 2 services match.");
    await watched.page.click("#hubs a");
    await shows(watched, "#found", "2 services.");
    expect(await watched.page.inputValue("#search")).toBe("");
    await watched.page.focus("#search");
    await watched.page.goBack();
    await shows(watched, "#found", "1 of 2 services match.");
    expect(await watched.page.inputValue("#search")).toBe("demo.b");
  });

  test("with times as the sentences beside them have them: of UTC", async () => {
    const { watched } = await open(await openSettled(), "#hub=demo/hub");
    await shows(watched, "#changes", /2024-02-04T03:0\d:\d\dZ/);
    await shows(watched, "#freshness", /^As of 2024-02-04T03:0\d:\d\dZ, by pod_1$/);
  });

  test.each([
    ["wide", 1280],
    ["narrow", 360],
  ])("on a %s screen, by the rules of WCAG 2.2 AA", async (_, width) => {
    const world = await openSettled({ services: ten });
    world.registry().lists(without(ten, 9));
    await world.advance(2 * second);
    const at = "#hub=demo/hub&host=demo/demo.s0.demo";
    for (const colorScheme of ["light", "dark"] as const) {
      const { watched } = await open(world, at, { width, height: 800 });
      await watched.page.emulateMedia({ colorScheme });
      await shows(watched, "#service", /kept: /);
      const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
      await watched.page.evaluate(axe);
      const { violations } = await watched.page.evaluate<AxeResults>("axe.run()");
      expect(violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`)).toEqual([]);
      const overflow = await watched.page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth",
      );
      expect(overflow).toBe(0);
    }
  });

  test("says what there is to see where there is nothing", async () => {
    const world = openWorld();
    await world.hubController.start();
    const { port, watched } = await open(world);
    await shows(watched, "#hubs", "There is no RegistryHub in the cluster.");
    await shows(watched, "#found", "0 services.");
    await shows(watched, "#changes", "None since this operator leads.");
    expectQuiet(watched, port);
  });
});
