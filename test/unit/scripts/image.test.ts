import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { version } from "../../../src/cli/version.ts";

const script = fileURLToPath(new URL("../../../scripts/image.ts", import.meta.url));
const buildPlatform = `--build-arg=BUILDPLATFORM=linux/${process.arch === "arm64" ? "arm64" : "amd64"}`;

let path: string;
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), "registryhub-image-"));
});
afterEach(() => rmSync(path, { recursive: true }));

/** A builder that says with what it is started. */
function fakeBuilder(name: string, { works }: { readonly works: boolean }): void {
  const otherwise = works ? ":" : "echo 'Cannot connect' >&2; exit 1";
  const program = `#!/bin/sh\n[ "$1" = build ] && { echo ${name} "$@"; exit; }\n${otherwise}\n`;
  writeFileSync(join(path, name), program, { mode: 0o755 });
}

function build(env: Readonly<Record<string, string>> = {}): {
  status: number | null;
  stdout: string;
  stderr: string;
} {
  return spawnSync(process.execPath, [script], { env: { PATH: path, ...env }, encoding: "utf8" });
}

describe("make image", () => {
  it("takes the first builder that works, past a client without its daemon", () => {
    fakeBuilder("docker", { works: false });
    fakeBuilder("buildah", { works: true });
    expect(build()).toMatchObject({
      status: 0,
      stdout: `buildah build --tag=registryhub:${version} ${buildPlatform} --label=org.opencontainers.image.version=${version} .\n`,
      stderr: `image: buildah built registryhub:${version}\n`,
    });
  });

  it("passes on what it is asked for, and takes empty for not asked", () => {
    fakeBuilder("docker", { works: true });
    fakeBuilder("podman", { works: true });
    const env = {
      BUILDER: "podman",
      IMAGE: "shop/hub:1",
      BASE: "node:24",
      BUILD_BASE: "",
      PLATFORM: "linux/arm64",
    };
    expect(build(env).stdout).toContain(
      `podman build --tag=shop/hub:1 --build-arg=BASE=node:24 --platform=linux/arm64 ${buildPlatform} --label=`,
    );
  });

  it("says why none works", () => {
    fakeBuilder("docker", { works: false });
    expect(build()).toMatchObject({
      status: 1,
      stderr:
        "image: needs docker, podman or buildah, and none works here\n" +
        "  docker: Cannot connect\n  podman: not installed\n  buildah: not installed\n",
    });
    expect(build({ BUILDER: "kaniko" }).stderr).toBe(
      'image: BUILDER must be docker, podman or buildah, not "kaniko"\n',
    );
  });
});
