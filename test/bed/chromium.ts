import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { debianPackages } from "./debian.ts";

/** A Chromium without windows, as Debian builds it, and what it needs to run. */
export interface ChromiumProgram {
  readonly path: string;
  /** Where its libraries are. */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * The Chromium of the Debian that runs here, with one family of fonts; downloaded the first time. @param folder of the caller,
 * where the list and the cache of the fonts are.
 */
export async function chromiumProgram(folder: string): Promise<ChromiumProgram> {
  const packages = await chromiumPackages();
  const fonts = join(folder, "fonts.conf");
  await writeFile(
    fonts,
    `<fontconfig><dir>${join(packages, "usr/share/fonts")}</dir><cachedir>${join(folder, "fonts")}</cachedir></fontconfig>`,
  );
  const machine = process.arch === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu";
  const libraries = join(packages, "usr/lib", machine);
  return {
    path: join(packages, "usr/lib/chromium/chromium-headless-shell"),
    env: {
      LD_LIBRARY_PATH: `${libraries}:${join(libraries, "pulseaudio")}`,
      FONTCONFIG_FILE: fonts,
      HOME: folder,
    },
  };
}

/** The folder of its packages. */
export function chromiumPackages(): Promise<string> {
  const packages = ["chromium-headless-shell", "chromium-common", "fonts-dejavu-core"];
  return debianPackages("chromium", packages, { libraries: true });
}
