import { chromium, type Page } from "playwright-core";
import { chromiumProgram } from "../bed/chromium.ts";
import { temporaryFolder, watchProcess } from "../bed/watchdog.ts";

/** A page of a browser, and what became of it. */
export interface WatchedPage {
  readonly page: Page;
  /** What the browser complained of: errors of scripts, the console, requests that failed or that a policy refused. */
  readonly problems: readonly string[];
  /** Where it sent requests, by origin. */
  readonly origins: ReadonlySet<string>;
}

/** A Chromium without windows. */
export interface Browser extends AsyncDisposable {
  /** Opens an address in a profile of its own, and returns when it has been loaded. */
  open(url: string, size?: { readonly width: number; readonly height: number }): Promise<WatchedPage>;
}

/** Starts it. It ends with this process at the latest, and leaves nothing behind. */
export async function openBrowser(): Promise<Browser> {
  await using starting = new AsyncDisposableStack();
  const folder = starting.use(temporaryFolder("chromium")).path;
  const { path, env } = await chromiumProgram(folder);
  const server = await chromium.launchServer({
    executablePath: path,
    env: { ...env, TMPDIR: folder },
    args: ["--no-sandbox"], // root has no other way, and it shows our own page only
  });
  starting.defer(watchProcess(server.process().pid ?? 0));
  starting.defer(() => server.close());
  const browser = await chromium.connect(server.wsEndpoint());
  starting.defer(() => browser.close());
  const owned = starting.move();
  return {
    async open(url, viewport = { width: 1280, height: 900 }) {
      const context = await browser.newContext({ viewport, colorScheme: "light" });
      const page = await context.newPage();
      const problems: string[] = [];
      const origins = new Set<string>();
      page.on("console", (message) => {
        if (message.type() === "error" || message.type() === "warning") problems.push(message.text());
      });
      page.on("pageerror", (error) => void problems.push(String(error)));
      page.on("dialog", (dialog) => {
        problems.push(`a dialog: ${dialog.message()}`);
        void dialog.dismiss();
      });
      page.on("request", (request) => origins.add(new URL(request.url()).origin));
      await page.goto(url);
      return { page, problems, origins };
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
