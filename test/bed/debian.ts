import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { run } from "./run.ts";
import { temporaryFolder } from "./watchdog.ts";

/** Unpacks packages of the Debian that runs here into `folder`, without what they depend on; nothing is installed. */
export async function downloadDebs(packages: readonly string[], folder: string): Promise<void> {
  await using downloads = temporaryFolder("debs");
  const download = () => run("apt-get", ["download", ...packages], { cwd: downloads.path });
  // Without lists of packages, or with old ones, it finds nothing.
  await download().catch(async () => {
    await run("apt-get", ["update"]);
    await download();
  });
  await mkdir(folder, { recursive: true });
  for (const file of await readdir(downloads.path))
    await run("dpkg-deb", ["--extract", join(downloads.path, file), folder]);
}
