import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, expect, test } from "vitest";
import { version } from "../../src/cli/version.ts";
import { type ApiServer, startApiServer } from "../bed/api-server.ts";
import { baseImageStorage, baseImages } from "../bed/base-images.ts";
import { type Buildah, openBuildah } from "../bed/buildah.ts";
import { containerCommand, type UnpackedImage, unpackImage } from "../bed/container.ts";
import { run } from "../bed/run.ts";
import { awaitReady, type ServerProcess, startServerProcess } from "../bed/server-process.ts";
import { type TemporaryFolder, temporaryFolder } from "../bed/watchdog.ts";
import { eventually } from "../support/eventually.ts";
import { applyInstall } from "../support/install.ts";
import { SOON_MS } from "./world.ts";

const checkout = fileURLToPath(new URL("../..", import.meta.url));
const IMAGE = "localhost/registryhub:test";

let folder: TemporaryFolder;
let buildah: Buildah;
let image: UnpackedImage;
beforeAll(async () => {
  await using starting = new AsyncDisposableStack();
  folder = starting.use(temporaryFolder("image"));
  buildah = starting.use(await openBuildah({ below: await baseImageStorage() }));
  const PATH = `${buildah.binFolder}:${process.env.PATH}`;
  const env = { PATH, BUILDER: "buildah", IMAGE, ...baseImages, PLATFORM: "" };
  await run(process.execPath, ["scripts/image.ts"], { cwd: checkout, env });
  image = await unpackImage(buildah, IMAGE, join(folder.path, "root"));
  const owned = starting.move();
  return () => owned.disposeAsync();
});

/** What the image's program printed. */
function runImage(...args: readonly string[]): Promise<string> {
  const { command, args: all } = containerCommand(image, args);
  return run(command, all);
}

test("adds the bundle to its base, and nothing else of the repository", async () => {
  const base = await unpackImage(buildah, baseImages.BASE, join(folder.path, "base"));
  const inBase = new Set(await readdir(base.root, { recursive: true }));
  const added = (await readdir(image.root, { recursive: true })).filter((path) => !inBase.has(path));
  const page = (await readdir(join(checkout, "src/page"))).map((name) => `app/page/${name}`);
  const files = ["", ".LEGAL.txt", ".map"].map((end) => `app/registryhub.mjs${end}`);
  const program = ["app", "app/page", ...files];
  expect(added.sort()).toEqual([...program, ...page].sort());
});

test("has a bundle of ASCII, of which a character takes one byte of memory", async () => {
  const bundle = await readFile(join(image.root, "app/registryhub.mjs"));
  expect(bundle.findIndex((byte) => byte > 0x7f)).toBe(-1);
});

test("says who it is", async () => {
  expect(await runImage("version")).toBe(`registryhub ${version}\n`);
  expect(image.config).toMatchObject({
    User: "65532:65532",
    ExposedPorts: { "8080/tcp": {} },
    Env: expect.arrayContaining(["REGISTRYHUB_HTTP_BIND_ADDRESS=:8080"]),
    Labels: { "org.opencontainers.image.title": "registryhub", "org.opencontainers.image.version": version },
  });
});

test("runs as a restricted Pod: in-cluster credentials, nothing to write to, and SIGTERM ends it", async () => {
  await using api = await startApiServer({ controllerManager: false });
  await applyInstall(api, "crd");
  await putServiceAccount(api, image.root);
  const { hostname, port } = new URL(api.url);
  const env = {
    KUBERNETES_SERVICE_HOST: hostname,
    KUBERNETES_SERVICE_PORT: port,
    REGISTRYHUB_HTTP_BIND_ADDRESS: "127.0.0.1:0",
  };
  const controller = await startServerProcess({
    name: "the image",
    ...containerCommand(image, ["hub-controller"], env),
    cwd: folder.path,
    logFile: join(folder.path, "log"),
  });
  await using _ = { [Symbol.asyncDispose]: () => controller.kill() };
  await awaitReady("the image", controller, () => servingPort(controller) !== undefined, SOON_MS);
  const { status } = await fetch(`http://127.0.0.1:${servingPort(controller)}/readyz`);
  expect(status).toBe(200);

  const inProc = await readFile(`/proc/${controller.pid}/status`, "utf8");
  expect(inProc).toMatch(/^Uid:\s+65532\s+65532\s+65532\s+65532$/m);
  expect(inProc).toMatch(/^Groups:\s*(65532)?\s*$/m);
  expect(inProc).toMatch(/^CapEff:\s+0+$/m);
  expect(inProc).toMatch(/^NoNewPrivs:\s+1$/m);
  const mounts = await readFile(`/proc/${controller.pid}/mounts`, "utf8");
  expect(mounts.split("\n").map((line) => line.split(" ").slice(1, 4))).toContainEqual([
    "/",
    expect.any(String),
    expect.stringMatching(/^ro,/),
  ]);

  const spec = { type: "zookeeper", address: "127.0.0.1:1", generate_to: "default", suspend: true };
  const hub = {
    apiVersion: "ecns.easystack.cn/v1alpha1",
    kind: "RegistryHub",
    metadata: { name: "hub" },
    spec,
  };
  await api.kubectl(["apply", "-f", "-"], { input: JSON.stringify(hub) });
  await eventually(async () => {
    const { status } = JSON.parse(await api.kubectl(["get", "registryhub", "hub", "-o", "json"]));
    expect(status?.conditions).toContainEqual(expect.objectContaining({ reason: "Suspended" }));
  }, SOON_MS);

  await controller.terminate(5000);
  expect(controller.exitCode).toBe(0);
});

/** Puts the administrator's credentials where a Pod has those of its ServiceAccount. */
async function putServiceAccount(api: ApiServer, root: string): Promise<void> {
  const path = join(root, "var/run/secrets/kubernetes.io/serviceaccount");
  await mkdir(path, { recursive: true });
  await writeFile(join(path, "token"), api.adminToken);
  await writeFile(join(path, "ca.crt"), await readFile(api.caFile));
}

/** The port that the controller has logged; undefined while it does not serve. */
function servingPort(controller: ServerProcess): number | undefined {
  const port = /"port":(\d+)/.exec(controller.readLog())?.[1];
  return port === undefined ? undefined : Number(port);
}
