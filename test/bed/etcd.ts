import { join } from "node:path";
import { freePort } from "../support/free-port.ts";
import { awaitReady, type ServerProcess, startServerProcess } from "./server-process.ts";
import { statusOf } from "./tcp.ts";

/** A running etcd with one member. */
export interface Etcd {
  readonly url: string;
  readonly process: ServerProcess;
  /** Drops all history up to this moment: who lists or watches from an older resourceVersion gets a 410 from etcd. */
  compact(): Promise<void>;
}

/** Starts etcd with its data in `folder`; returns when it answers. */
export async function startEtcd(command: string, folder: string): Promise<Etcd> {
  const url = `http://127.0.0.1:${await freePort()}`;
  const peerUrl = `http://127.0.0.1:${await freePort()}`;
  const process = await startServerProcess({
    name: "etcd",
    command,
    cwd: folder,
    logFile: join(folder, "etcd.log"),
    args: [
      "--name=bed",
      `--data-dir=${join(folder, "etcd")}`,
      "--unsafe-no-fsync", // nothing here has to survive the machine
      "--log-level=warn",
      `--listen-client-urls=${url}`,
      `--advertise-client-urls=${url}`,
      `--listen-peer-urls=${peerUrl}`,
      `--initial-advertise-peer-urls=${peerUrl}`,
      `--initial-cluster=bed=${peerUrl}`,
    ],
  });
  await awaitReady("etcd", process, async () => (await statusOf(`${url}/health`)) === 200);
  return { url, process, compact: () => compact(url) };
}

// etcd's JSON gateway. Source: go.etcd.io/etcd/api/v3/etcdserverpb/gw (rpc.pb.gw.go).
async function compact(url: string): Promise<void> {
  const status = (await post(`${url}/v3/maintenance/status`, {})) as { header: { revision: string } };
  await post(`${url}/v3/kv/compaction`, { revision: status.header.revision, physical: true });
}

async function post(url: string, body: object): Promise<unknown> {
  const response = await fetch(url, { method: "POST", body: JSON.stringify(body) });
  if (!response.ok)
    throw new Error(`etcd: POST ${url} answered ${response.status}: ${await response.text()}`);
  return response.json();
}
