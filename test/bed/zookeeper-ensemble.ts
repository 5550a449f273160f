import { freePort } from "../support/free-port.ts";
import { ask } from "./tcp.ts";
import { startZooKeeper, type ZooKeeper, type ZooKeeperOptions } from "./zookeeper.ts";

/** One server of an ensemble. */
export interface ZooKeeperMember extends ZooKeeper {
  /** `leader` or `follower`; undefined = it does not serve. */
  mode(): Promise<string | undefined>;
}

/** Three real ZooKeeper servers on 127.0.0.1 that hold one state: the number with which one may be lost. */
export interface ZooKeeperEnsemble extends AsyncDisposable {
  readonly members: readonly [ZooKeeperMember, ZooKeeperMember, ZooKeeperMember];
  /** Who is what at the moment. @throws Error unless all of them serve. */
  roles(): Promise<EnsembleRoles>;
}

/** Who leads, and who follows. */
export interface EnsembleRoles {
  readonly leader: ZooKeeperMember;
  readonly followers: readonly [ZooKeeperMember, ZooKeeperMember];
}

/** How an ensemble is started. */
export interface EnsembleOptions {
  /** For how long leader and follower wait for a word of each other, in ms. Default 20 s. */
  readonly patienceMs?: number;
  /** Further lines of each member's configuration. */
  readonly settings?: ZooKeeperOptions["settings"];
  /**
   * Given where another member listens for followers, says where the first member, which does not lead at first, is to look
   * for it: a proxy between them can make it lag. Default: the same port.
   */
  readonly linkTo?: (port: number) => Promise<number>;
}

/** Sessions of at most 10 s outlive an election on a busy machine. */
const TICK_MS = 500;
const INIT_MS = 20_000;

/** Starts an ensemble; returns when all three serve (some seconds). */
export async function startZooKeeperEnsemble(options: EnsembleOptions = {}): Promise<ZooKeeperEnsemble> {
  const { patienceMs = 20_000, settings = {}, linkTo = straight } = options;
  await using starting = new AsyncDisposableStack();
  const places = await Promise.all([1, 2, 3].map(newPlace));
  const limits = { initLimit: INIT_MS / TICK_MS, syncLimit: patienceMs / TICK_MS };
  const start = async (id: number): Promise<ZooKeeperMember> => {
    const seen = places.map((other) => seenBy(id, other, linkTo));
    const all = { ...serverLines(await Promise.all(seen)), ...limits, ...settings };
    const server = await startZooKeeper({ id, tickTime: TICK_MS, settings: all });
    return { ...server, mode: () => modeOf(server) };
  };
  const started = await Promise.allSettled(places.map(({ id }) => start(id)));
  for (const one of started) if (one.status === "fulfilled") starting.use(one.value);
  const members = started.map((one) => {
    if (one.status === "rejected") throw one.reason;
    return one.value;
  }) as [ZooKeeperMember, ZooKeeperMember, ZooKeeperMember];
  const owned = starting.move();
  return {
    members,
    async roles() {
      const modes = await Promise.all(members.map(modeOf));
      const [leader] = members.filter((_, at) => modes[at] === "leader");
      const [one, other] = members.filter((_, at) => modes[at] === "follower");
      if (!leader || !one || !other) throw new Error(`not all serve: ${modes.join(", ")}`);
      return { leader, followers: [one, other] };
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Where a member listens for the others. */
interface Place {
  readonly id: number;
  readonly quorumPort: number;
  readonly electionPort: number;
}

async function newPlace(id: number): Promise<Place> {
  return { id, quorumPort: await freePort(), electionPort: await freePort() };
}

async function seenBy(id: number, place: Place, linkTo: (port: number) => Promise<number>): Promise<Place> {
  if (id !== 1 || place.id === id) return place;
  return { ...place, quorumPort: await linkTo(place.quorumPort) };
}

const straight = async (port: number): Promise<number> => port;

/** To its followers a leader is where their own configuration says. */
function serverLines(places: readonly Place[]): Record<string, string> {
  return Object.fromEntries(
    places.map(({ id, quorumPort, electionPort }) => [
      `server.${id}`,
      `127.0.0.1:${quorumPort}:${electionPort}`,
    ]),
  );
}

async function modeOf({ port }: ZooKeeper): Promise<string | undefined> {
  return /^Mode: (\w+)$/m.exec(await ask(port, "srvr"))?.[1];
}
