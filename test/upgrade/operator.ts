import type { RegistryHubSpec } from "../../src/model/registryhub.ts";
import type { ApiServer } from "../bed/api-server.ts";
import type { Version } from "../bed/earlier-version.ts";
import { type ControllerProcess, type Controllers, startControllers } from "../support/controllers.ts";
import { applyInstall, kubeconfigAs } from "../support/install.ts";

/** The operator of one version after the other on one cluster. Disposal kills what runs. */
export interface Operator extends AsyncDisposable {
  /** What runs; undefined = nothing has been started. */
  readonly controllers: Controllers | undefined;
  /** The same as a list, for their logs. */
  readonly processes: readonly ControllerProcess[];
  /**
   * The manifests come first, then the processes of the other version go, then those of this one come. `install` = how its
   * objects get into the cluster; default `kubectl apply -k config/default`.
   */
  run(version: Version, hubFlags: readonly string[], install?: () => Promise<unknown>): Promise<void>;
}

export function operatorOn(api: ApiServer): Operator {
  let controllers: Controllers | undefined;
  return {
    get controllers() {
      return controllers;
    },
    get processes() {
      return controllers ? [controllers.hub, controllers.dubbo] : [];
    },
    async run({ program, folder }, hubFlags, install = () => applyInstall(api, "default", folder)) {
      await install();
      await Promise.all([controllers?.hub.terminate(), controllers?.dubbo.terminate()]);
      controllers = await startControllers({
        hubKubeconfig: await kubeconfigAs(api, "registryhub"),
        dubboKubeconfig: await kubeconfigAs(api, "dubbo-controller"),
        hub: hubFlags,
        program,
      });
    },
    async [Symbol.asyncDispose]() {
      await controllers?.[Symbol.asyncDispose]();
    },
  };
}

/** Hubs and their entries are in one namespace. */
export const target = "mesh";

/** All registries stay up, so settling (Eureka's is the longest: 6 s) has nothing to wait for. */
export const flags = ["--settle-factor=0.05"];

export async function applyHub(
  api: ApiServer,
  name: string,
  spec: Omit<RegistryHubSpec, "generate_to">,
): Promise<void> {
  const hub = {
    apiVersion: "ecns.easystack.cn/v1alpha1",
    kind: "RegistryHub",
    metadata: { name, namespace: target },
    spec: { generate_to: target, ...spec },
  };
  await api.kubectl(["apply", "-f", "-"], { input: JSON.stringify(hub) });
}
