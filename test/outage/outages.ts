import { afterAll, beforeAll, describe, test } from "vitest";
import { startApiServer } from "../bed/api-server.ts";
import { clusterOutages } from "./cluster-outages.ts";
import { dataLosses } from "./data-losses.ts";
import { endsWell } from "./expectations.ts";
import { hubEdits } from "./hub-edits.ts";
import { operatorOutages } from "./operator-outages.ts";
import { recordCluster } from "./recorder.ts";
import type { OutageRegistry } from "./registry.ts";
import { registryOutages } from "./registry-outages.ts";
import { removals } from "./removals.ts";
import { Stage, type StageOptions, type Theatre } from "./stage.ts";

/** Adds one story. At its end the cluster has converged, nothing is written any more, and nothing that lived was ever missing. */
export type Row = (title: string, story: Story, options?: StageOptions) => void;
type Story = (stage: Stage) => Promise<void>;

const SHOWN_LINES = 30;
const crd = new URL("../../crds/registryhub.yaml", import.meta.url).pathname;

/** The outages of a registry type, and of the operator and the API server beside it, on the built controllers. */
export function describeOutages(name: string, startRegistry: () => Promise<OutageRegistry>): void {
  describe(`${name}: outages`, () => {
    const owned = new AsyncDisposableStack();
    let theatre: Theatre;
    let rows = 0;
    beforeAll(async () => {
      const api = owned.use(await startApiServer());
      await api.applyCrds();
      await api.kubectl(["apply", "-f", crd]);
      await api.kubectl(["wait", "--for=condition=Established", "-f", crd]);
      theatre = { api, startRegistry, recorder: owned.use(await recordCluster(api.etcdUrl)) };
    });
    afterAll(() => owned.disposeAsync());

    const play = async (id: string, story: Story, options?: StageOptions): Promise<void> => {
      await using stage = await Stage.open(theatre, `outage-${id}`, options);
      try {
        await stage.begin();
        await story(stage);
        await endsWell(stage);
      } catch (error) {
        tellMore(stage);
        throw error;
      }
    };
    // A story waits most of its time, so several are played at once; but the API server's outages are felt by all.
    const together: Row = (title, story, options) => {
      const id = ++rows;
      test.concurrent(`O${id} ${title}`, () => play(`${id}`, story, options));
    };
    const alone: Row = (title, story, options) => {
      const id = ++rows;
      test(`O${id} ${title}`, () => play(`${id}`, story, options));
    };
    registryOutages(together);
    dataLosses(together);
    removals(together);
    hubEdits(together);
    operatorOutages(together);
    clusterOutages(alone, () => theatre.api);
  });
}

/** What a person who looks for the cause of a failure wants to see. */
function tellMore(stage: Stage): void {
  const told = JSON.stringify({ ...stage.hub?.status, serviceentries: "left out" }, undefined, 2);
  const log = stage.lastLines(SHOWN_LINES).join("\n");
  const parts = [`--- ${stage.namespace}: status`, told, "--- the end of its hub-controller's log", log];
  process.stderr.write(`${parts.join("\n")}\n`);
}
