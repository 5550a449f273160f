import { execFile } from "node:child_process";
import { symlink, writeFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, expect, test } from "vitest";
import { type ApiServer, startApiServer } from "../bed/api-server.ts";
import { kubeBinaries } from "../bed/kube-binaries.ts";
import { temporaryFolder } from "../bed/watchdog.ts";
import { startZooKeeper, type ZooKeeper } from "../bed/zookeeper.ts";
import { startControllers } from "../support/controllers.ts";
import { eventually } from "../support/eventually.ts";
import { asInstalled, checkout, renderInstall } from "../support/install.ts";
import { blocksOf, textOf } from "../support/markdown.ts";
import { connectZkWriter } from "../support/zk-writer.ts";
import { providerUrl, SOON_MS } from "./world.ts";

const page = textOf("docs/first-hour.md");
/** Every command that the page shows with its output, in order. */
const steps = blocksOf(page, "console")
  .flatMap((block) => block.split(/^\$ /m).slice(1))
  .map((step) => {
    const [command = "", ...output] = step.trimEnd().split("\n");
    return { command, output: output.join("\n") };
  });
const root = "istio-system";

let api: ApiServer;
let zooKeeper: ZooKeeper;
let folder: string;
let path: string;

/** A cluster with a mesh as the page wants it, a consumer, and a folder in which one reads the page. */
beforeAll(async () => {
  await using starting = new AsyncDisposableStack();
  api = starting.use(await startApiServer());
  zooKeeper = starting.use(await startZooKeeper());
  folder = starting.use(temporaryFolder("first-hour")).path;
  await symlink(join(checkout, "config"), join(folder, "config"));
  await symlink(join(checkout, "bin"), join(folder, "bin"));
  const { kubectl } = await kubeBinaries(["kubectl"]);
  path = [dirname(kubectl), process.env.PATH].join(delimiter);
  await api.applyCrds();
  for (const namespace of [root, "web"]) await api.kubectl(["create", "namespace", namespace]);
  for (const object of [meshConfig, injector]) await apply(object);
  await eventually(() => apply(consumer), SOON_MS); // its ServiceAccount comes a moment later
  const [manifest = ""] = blocksOf(page, "yaml");
  await writeFile(join(folder, "hub.yaml"), manifest.replace("zookeeper.middleware:2181", zooKeeper.address));
  const writer = starting.use(await connectZkWriter(zooKeeper.address));
  await writer.registerProviders([providerUrl("org.example.Cart", "10.42.7.1:20880")]);
  const owned = starting.move();
  return () => owned.disposeAsync();
});

const apply = (object: object) => api.kubectl(["apply", "-f", "-"], { input: JSON.stringify(object) });
const configMap = (name: string, data: object) => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { namespace: root, name },
  data,
});
const meshConfig = configMap("istio", {
  mesh: `rootNamespace: ${root}\ndefaultConfig: { proxyMetadata: { ISTIO_META_DNS_CAPTURE: 'true' } }\n`,
});
const injector = configMap("istio-sidecar-injector", {
  values: JSON.stringify({ global: { proxy: { includeIPRanges: "*" } } }),
});
/** As Istio's injector leaves it. */
const consumer = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { namespace: "web", name: "cart-ui", labels: { "security.istio.io/tlsMode": "istio" } },
  spec: {
    containers: [
      { name: "app", image: "app" },
      {
        name: "istio-proxy",
        image: "istio/proxyv2:1.31.1",
        env: [{ name: "ISTIO_META_DNS_CAPTURE", value: "true" }],
      },
    ],
    initContainers: [{ name: "istio-init", image: "proxy", args: ["istio-iptables", "-i", "*", "-x", ""] }],
  },
};

/** What a terminal shows of a command, whatever its exit code. */
async function shell(command: string): Promise<string> {
  const env = { ...process.env, PATH: path, KUBECONFIG: api.kubeconfig };
  const [exports = ""] = blocksOf(page, "sh").flatMap((block) => block.match(/^export .*$/m) ?? []);
  const run = promisify(execFile)("sh", ["-c", `${exports}\n{ ${command}; } 2>&1`], { cwd: folder, env });
  return run.then(
    ({ stdout }) => stdout,
    (error: { stdout: string }) => error.stdout,
  );
}

/** The columns of tables are as wide as the day's longest cell, and ages and times are those of the day. */
const timeless = (text: string): readonly string[] =>
  text
    .trim()
    .split("\n")
    .map((line) =>
      line
        .trimEnd()
        .replace(/ +/g, " ")
        .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME")
        .replace(/\b\d+[smh](?=$| )/g, "AGE"),
    );

test("the commands of the first hour do what the page says", async () => {
  expect(await shell("kubectl apply -k config/istio-system")).toContain(
    "deployment.apps/registryhub created",
  );
  expect(page).toContain("\nkubectl apply -k config/istio-system\n");
  const objects = await renderInstall("istio-system");
  await using _ = await startControllers(await asInstalled(api, objects));
  expect(steps.map(({ command }) => command.split(" ").slice(0, 3).join(" "))).toEqual([
    "kubectl registryhub doctor",
    "kubectl create namespace",
    "kubectl registryhub preview",
    "kubectl apply -f",
    "kubectl wait --for=condition=Ready",
    "kubectl registryhub status",
    "kubectl registryhub explain",
    "kubectl registryhub doctor",
    "kubectl delete registryhub",
  ]);
  for (const { command, output } of steps)
    await eventually(
      async () => expect(timeless(await shell(command))).toEqual(timeless(output)),
      isQuestion(command) ? SOON_MS : 0,
    );
});

/** May be asked again until the operator has done its work. */
const isQuestion = (command: string): boolean => /registryhub (doctor|status|explain)/.test(command);
