import type { ApiServer } from "../bed/api-server.ts";
import type { Version } from "../bed/earlier-version.ts";
import { type Controllers, startControllers } from "../support/controllers.ts";
import { applyInstall, kubeconfigAs } from "../support/install.ts";

/** The operator of one version after the other on one cluster. Disposal kills what runs. */
export interface Operator extends AsyncDisposable {
  /** What runs; undefined = nothing has been started. */
  readonly controllers: Controllers | undefined;
  /** The manifests come first, then the processes of the other version go, then those of this one come. */
  run(version: Version, hubFlags: readonly string[]): Promise<void>;
}

export function operatorOn(api: ApiServer): Operator {
  let controllers: Controllers | undefined;
  return {
    get controllers() {
      return controllers;
    },
    async run({ program, folder }, hubFlags) {
      await applyInstall(api, "default", folder);
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
