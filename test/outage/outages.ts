import { afterAll, beforeAll, describe, test } from "vitest";
import { startApiServer } from "../bed/api-server.ts";
import { recordCluster } from "../support/cluster-recorder.ts";
import { applyInstall } from "../support/install.ts";
import { endsWell } from "./expectations.ts";
import type { Registries } from "./registry.ts";
import { Stage, type StageOptions, type Theatre } from "./stage.ts";

/** Adds one story. At its end the cluster has converged, nothing is written any more, and nothing that lived was ever missing. */
export type Row = (title: string, story: Story, options?: RowOptions) => void;
type Story = (stage: Stage) => Promise<void>;

interface RowOptions extends StageOptions {
  /** Whether no other story may be played meanwhile: it fails what all share. Default false. */
  readonly alone?: boolean;
  /** Whether it is told of each version of a registry type: it tells of the server as much as of the operator. Default false. */
  readonly everyVersion?: boolean;
}

/** The outages that a suite plays, and how many of them. */
export interface Programme {
  readonly tables: readonly ((row: Row) => void)[];
  /** Whether another version of the type plays all rows, so that those marked `everyVersion` are enough. Default false. */
  readonly isFurtherVersion?: boolean;
}

const SHOWN_LINES = 30;

/** The outages of a registry type and of what is beside it, on the built controllers. */
export function describeOutages(
  name: string,
  startRegistries: () => Promise<Registries>,
  { tables, isFurtherVersion = false }: Programme,
): void {
  describe(`${name}: outages`, () => {
    const owned = new AsyncDisposableStack();
    let theatre: Theatre;
    let rows = 0;
    beforeAll(async () => {
      const api = owned.use(await startApiServer());
      await api.applyCrds();
      await applyInstall(api, "crd");
      const recorder = owned.use(await recordCluster(api.etcdUrl));
      theatre = { api, recorder, registries: owned.use(await startRegistries()) };
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
    const row: Row = (title, story, options = {}) => {
      const id = ++rows;
      if (isFurtherVersion && !options.everyVersion) return;
      // A story waits most of its time, so several are played at once.
      const tell = options.alone ? test : test.concurrent;
      tell(`O${id} ${title}`, () => play(`${id}`, story, options));
    };
    for (const table of tables) table(row);
  });
}

/** What a person who looks for the cause of a failure wants to see. */
function tellMore(stage: Stage): void {
  const told = JSON.stringify({ ...stage.hub?.status, serviceentries: "left out" }, undefined, 2);
  const log = stage.lastLines(SHOWN_LINES).join("\n");
  const parts = [`--- ${stage.namespace}: status`, told, "--- the end of its hub-controller's log", log];
  process.stderr.write(`${parts.join("\n")}\n`);
}
