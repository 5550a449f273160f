import { beforeAll, describe, expect, test } from "vitest";
import { type ApiServer, startApiServer } from "../bed/api-server.ts";
import { startZooKeeper, type ZooKeeper } from "../bed/zookeeper.ts";
import { startControllers } from "../support/controllers.ts";
import { eventually } from "../support/eventually.ts";
import { applyInstall, asInstalled, installNamespace, renderInstall } from "../support/install.ts";
import { blocksOf, textOf } from "../support/markdown.ts";
import { connectZkWriter } from "../support/zk-writer.ts";
import { providerUrl, SOON_MS } from "./world.ts";

/** Of the provider; in the README it is a Pod's. */
const address = "10.42.0.9";
/** What Aeraki's sample registers, of which the hub of the quick start wants one interface. */
const registered = ["DemoService", "TestService"].map((name) =>
  providerUrl(`org.apache.dubbo.samples.basic.api.${name}`, `${address}:20880`, {
    application: "dubbo-sample-provider",
    version: "",
  }),
);

const readme = textOf("README.md");
/** The commands that README prints for a cluster, one string each. */
const commands = (blocksOf(readme, "sh").find((block) => block.includes("kind create")) ?? "")
  .split(/\n| && /)
  .filter((command) => command !== "");
/** A command and its output, as README prints them. */
const [shown = ""] = blocksOf(readme, "console");

describe("the quick start of the README", () => {
  let api: ApiServer;
  let zooKeeper: ZooKeeper;
  beforeAll(async () => {
    await using starting = new AsyncDisposableStack();
    api = starting.use(await startApiServer());
    zooKeeper = starting.use(await startZooKeeper());
    await api.applyCrds();
    await api.kubectl(["create", "namespace", "istio-system"]); // istioctl makes it
    await applyInstall(api, "istio-system");
    const owned = starting.move();
    return () => owned.disposeAsync();
  });

  /** Runs a line of the README; quotes are those of a shell. */
  const run = (line: string): Promise<string> => {
    const [program, ...args] = line.replaceAll("'", "").split(" ");
    expect(program).toBe("kubectl");
    return api.kubectl(args);
  };

  test("has five lines, whose kubectl commands work and print what it shows", async () => {
    expect(commands.map((command) => command.split(" ").slice(0, 3).join(" "))).toEqual([
      "kind create cluster",
      "istioctl install -y",
      "make image",
      "kind load docker-image",
      "kubectl apply -k",
      "kubectl wait --for=condition=Available",
      "kubectl apply -k",
      "kubectl wait --for=jsonpath='{.status.services}'=1",
    ]);
    const [, , , , install = "", , apply = "", wait = ""] = commands;
    expect(await run(install)).toContain("deployment.apps/registryhub unchanged");
    expect(await run(apply)).toContain("registryhub.ecns.easystack.cn/quickstart created");

    // No Pods here: the bed's ZooKeeper takes the place of the one that was applied, and a writer that of the provider.
    const patch = JSON.stringify({ spec: { address: zooKeeper.address } });
    await api.kubectl(["patch", "rh", "quickstart", "-n", "quickstart", "--type=merge", "-p", patch]);
    await using writer = await connectZkWriter(zooKeeper.address);
    await writer.registerProviders(registered);
    const objects = await renderInstall("istio-system");
    await using _ = await startControllers(await asInstalled(api, objects));
    expect(await run(wait)).toContain("condition met");

    for (const [command = "", ...output] of stepsOf(shown))
      await eventually(
        async () => expect(linesOf(await run(command))).toEqual(output.flatMap(linesOf)),
        SOON_MS,
      );
  });

  test("runs the image that make image builds", async () => {
    const image = /kind load docker-image (\S+)/.exec(readme)?.[1];
    const deployments = await api.kubectl([
      "get",
      "deployment",
      "-n",
      installNamespace,
      "-o",
      "jsonpath={..image}",
    ]);
    expect(new Set(deployments.split(" "))).toEqual(new Set([image]));
  });
});

/** Splits a console at its prompts: each part is a command and the lines it printed. */
function stepsOf(console: string): readonly (readonly string[])[] {
  return console
    .split(/^\$ /m)
    .slice(1)
    .map((step) => step.trimEnd().split("\n"));
}

/** Lines with the spaces of columns made one, without ages, and with the Pod's address for ours. */
function linesOf(text: string): readonly string[] {
  return text
    .trimEnd()
    .split("\n")
    .map((line) =>
      line
        .trim()
        .replace(/ +/g, " ")
        .replace(/ \d+[sm](\d+s)?$/, ""),
    )
    .map((line) => line.replace(address, "10.244.0.9"))
    .filter((line) => line !== "");
}
