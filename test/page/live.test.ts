import { expect, test } from "vitest";
import { newTenant, providerUrl, quickly, untilReady, useWorld } from "../e2e/world.ts";
import { openBrowser } from "../support/browser.ts";
import { freePort } from "../support/free-port.ts";
import { expectQuiet, shows, takePicture } from "./scene.ts";

const port = await freePort();
const world = useWorld({ hub: [...quickly, "--leader-elect", `--page-port=${port}`] });

test("three services of a ZooKeeper: from the hub to an endpoint, and who removed the other one", async () => {
  const tenant = await newTenant(world);
  const at = (name: string, last: number): string =>
    providerUrl(`org.example.${name}`, `10.42.9.${last}:20880`);
  const [gone = ""] = await tenant.provide(
    at("Orders", 1),
    at("Orders", 2),
    at("Stock", 3),
    at("Payments", 4),
  );
  await tenant.applyHub();
  await untilReady(tenant);
  await using browser = await openBrowser();
  const watched = await browser.open(`http://127.0.0.1:${port}`);
  const { page } = watched;
  await shows(watched, "#freshness", /^As of .*, by \S+_/);
  await page.click(`#hubs a:has-text("${tenant.namespace}/hub")`);
  await shows(watched, "#hub", new RegExp(`zookeeper at ${world.zooKeeper.address}`));
  await shows(watched, "#found", /^3 services\.$/);
  await page.click('#services a:has-text("org.example.orders")');
  await shows(watched, "#service", /2 endpoints, 2 shown[\s\S]*10\.42\.9\.1:20880[\s\S]*10\.42\.9\.2:20880/);
  const explain = `kubectl registryhub explain -n ${tenant.namespace} org.example.orders-1.0.0.${tenant.namespace}`;
  expect(await page.locator("#service code").innerText()).toBe(explain);
  await takePicture(watched, "page-3.png");
  await world.writer.delete(gone);
  await shows(watched, "#changes", /EndpointRemoved[\s\S]*10\.42\.9\.1:20880[\s\S]*not listed since/);
  await shows(watched, "#service", /1 endpoint, 1 shown/);
  await page.click('#picture a:has-text("org.example.stock")');
  await shows(watched, "#service", /10\.42\.9\.3:20880/);
  expect(page.url()).toContain(`host=${tenant.namespace}%2Forg.example.stock`);
  expectQuiet(watched, port);
});
