import { join } from "node:path";
import { awaitReady, type ServerProgram, startServerProcess } from "./server-process.ts";
import { temporaryFolder } from "./watchdog.ts";

/** A provider that is a process of its own and registers by itself. Disposal kills it. */
export interface ProviderProcess extends AsyncDisposable {
  /** What it registers. */
  readonly host: string;
  readonly port: number;
  /** SIGTERM: it deregisters at once; returns when it has ended, which may take seconds. */
  stop(): Promise<void>;
  /** kill -9: its registration stays until the registry misses its connection, session, renewals or heartbeats. */
  kill(): Promise<void>;
}

/** A provider that can leave its registry while it goes on serving, as in a rolling update that takes care. */
export interface RetiringProvider extends ProviderProcess {
  /** Has it deregister, once; returns when it has asked the registry to. */
  offline(): Promise<void>;
}

/** How it is started. */
export interface ProviderPlan extends Pick<ServerProgram, "name" | "command" | "env"> {
  readonly host: string;
  readonly port: number;
  /** Given the folder in which it runs, and which goes with it. */
  readonly args: (folder: string) => readonly string[];
  /** Given what it has logged so far. */
  readonly isReady: (log: string) => boolean | Promise<boolean>;
}

const STOP_MS = 30_000;

/** Starts a provider; returns when it is ready. */
export async function startProvider(plan: ProviderPlan): Promise<ProviderProcess> {
  const { host, port, args, isReady, ...program } = plan;
  await using starting = new AsyncDisposableStack();
  const folder = starting.use(temporaryFolder("provider")).path;
  const logFile = join(folder, "provider.log");
  const server = await startServerProcess({ ...program, args: args(folder), cwd: folder, logFile });
  starting.defer(() => server.kill());
  await awaitReady(plan.name, server, () => isReady(server.readLog()));
  const owned = starting.move();
  return {
    host,
    port,
    stop: () => server.terminate(STOP_MS),
    kill: () => server.kill(),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** A provider that deregisters when its program gets this request. */
export function retiring(
  provider: ProviderProcess,
  { method, url }: { readonly method: "GET" | "POST"; readonly url: string },
): RetiringProvider {
  let isOffline = false;
  async function offline(): Promise<void> {
    if (isOffline) return; // Consul's client throws when it deregisters what is not registered
    const answer = await fetch(url, { method });
    if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status} ${await answer.text()}`);
    isOffline = true;
  }
  return {
    ...provider,
    offline,
  };
}
