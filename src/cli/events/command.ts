import type { Command } from "commander";
import { wholeNumber } from "../../config-values.ts";
import { KubeError } from "../../kube/errors.ts";
import type { Change, Changes } from "../../model/change.ts";
import type { HubKey } from "../../model/hub.ts";
import { splitKey } from "../../model/keys.ts";
import { systemClock } from "../../runtime/clock.ts";
import { type Access, type AccessFlags, addAccessFlags, exitCodes, say, withAccess } from "../access.ts";
import { hubNamed } from "../hubs.ts";
import { addOutputFlag, type Format, formatOf, textFor } from "../output.ts";
import { UsageError } from "../usage-error.ts";
import { readEvents } from "./cluster-events.ts";
import { type Following, followEvents, followRing } from "./follow.ts";
import { howToReach, leadersOf, pagePort, type Standing, standingOf } from "./leader.ts";
import { type AskForChanges, askerAt } from "./ring.ts";
import { isWanted, type Told, toldOf, type Wanted } from "./told.ts";
import { followedText, toldLines } from "./view.ts";

const description = `Print what became of hubs and their hosts: who removed an endpoint, when and why. The hub-controller that leads keeps its last 1,000 changes; it is asked at 127.0.0.1 and --page-port, where a port-forward leads to it. It is believed only if it holds the Lease of the cluster of the kubeconfig. Without it, the cluster's Events tell less, and stderr says how to reach it.

Exit code 0: printed; 2: the hub or a flag is wrong; 3: the cluster cannot be read.`;

const readPort = wholeNumber(1, 65_535);

/** What a person asks for. */
interface Ask extends Wanted {
  readonly format: Format;
  readonly follows: boolean;
  /** Of this machine. */
  readonly port: number;
}

/** Adds `events` to the program. */
export function addEvents(program: Command, env: NodeJS.ProcessEnv, ended: (exitCode: number) => void): void {
  const command = program
    .command("events")
    .argument("[hub]", "A RegistryHub, as name or namespace/name; it may be deleted.")
    .summary("Print what became of hubs and hosts lately: what, when and why.")
    .description(description)
    .option("-A, --all-namespaces", "The hubs of all namespaces.")
    .option("-w, --watch", "Go on with what comes, until it is interrupted.")
    .option(
      "--page-port <port>",
      "The port of this machine at which the operator answers.",
      String(pagePort),
    );
  addOutputFlag(command);
  addAccessFlags(command, "events");
  command.action(async (hub: string | undefined, flags: AccessFlags) => {
    ended(await withAccess(flags, env, (access) => events(askedBy(hub, flags, access), access)));
  });
}

/** @throws UsageError when the name is none of a hub, or the port none. */
function askedBy(named: string | undefined, flags: AccessFlags, { namespace }: Access): Ask {
  const { output, allNamespaces = false, watch: follows = false } = flags;
  const wanted =
    named === undefined ? (allNamespaces ? {} : { namespace }) : { hub: hubKey(named, namespace) };
  return { ...wanted, format: formatOf(output), follows: follows === true, port: portIn(flags.pagePort) };
}

function portIn(flag: AccessFlags[string]): number {
  try {
    return readPort(String(flag));
  } catch (error) {
    throw new UsageError(`--page-port=${String(flag)}: ${(error as Error).message}`);
  }
}

function hubKey(named: string, current: string): HubKey {
  const [name = "", namespace = current, ...more] = named.split("/").reverse();
  if (name === "" || namespace === "" || more.length > 0)
    throw new UsageError(`${named} is no name of a RegistryHub: write name or namespace/name`);
  return `${namespace}/${name}`;
}

async function events(ask: Ask, access: Access): Promise<number> {
  const { leaderElectNamespace } = access.config;
  const { port } = ask;
  const askRing = askerAt(port);
  const ring = await askRing(0, access.signal);
  const leaders = await leadersOf(
    access,
    typeof ring === "string" ? leaderElectNamespace : placeOf(ring, access),
  );
  const { isBelieved, note } =
    typeof ring === "string" ? { isBelieved: false, note: ring } : standingOf(ring, leaders);
  if (typeof ring !== "string" && isBelieved) {
    if (note !== "") say(note);
    await tellRing(ring, askRing, ask, access);
  } else {
    const reach = howToReach(leaders, leaderElectNamespace, port);
    say(`${note}. These are the cluster's Events, which tell less; for the last 1,000 changes: ${reach}`);
    await tellEvents(ask, access);
  }
  return exitCodes.fine;
}

/** The namespace of the Lease that an operator says it holds. */
const placeOf = ({ lease }: Changes, { config }: Access): string =>
  lease === "" ? config.leaderElectNamespace : splitKey(lease)[0];

async function tellRing(first: Changes, ask: AskForChanges, asked: Ask, access: Access): Promise<void> {
  const { identity, since, forgotten } = first;
  const of = (changes: readonly Change[]): readonly Told[] =>
    changes.filter((one) => isWanted(one, asked)).map(toldOf);
  const about = { source: "changes", identity, since, forgotten };
  await tell(of(first.changes), about, `${identity} has kept changes since ${since}`, asked, access);
  if (!asked.follows) return;
  const judge = async (changes: Changes): Promise<Standing> => {
    try {
      return standingOf(changes, await leadersOf(access, placeOf(changes, access)));
    } catch (error) {
      if (!(error instanceof KubeError)) throw error;
      return {
        isBelieved: false,
        note: `nobody can tell whether ${changes.identity} leads: ${error.message}`,
      };
    }
  };
  await following((how) => followRing({ first, ask, judge }, (changes) => goOn(of(changes), asked), how));
}

async function tellEvents(asked: Ask, access: Access): Promise<void> {
  const { told, unseen } = await readEvents(access, asked);
  for (const one of unseen) say(`not seen: ${one}`);
  await tell(told, { source: "events" }, "the API server keeps Events for an hour, as a rule", asked, access);
  const read = () => readEvents(access, asked);
  if (asked.follows) await following((how) => followEvents(told, read, (news) => goOn(news, asked), how));
}

/** Prints what there is; `from` = of when it is. Where nothing is told of a hub, there has to be the hub. @throws UsageError. */
async function tell(
  told: readonly Told[],
  about: object,
  from: string,
  { format, follows, hub }: Ask,
  access: Access,
): Promise<void> {
  if (told.length === 0 && hub !== undefined) await hubNamed(access, hub);
  if (told.length === 0 && !follows) say(`nothing has happened; ${from}`);
  const isData = format === "json" || format === "yaml";
  if (follows) process.stdout.write(followedText(told, format, true));
  else if (told.length > 0 || isData)
    process.stdout.write(textFor(format, { ...about, items: told }, toldLines(told, format === "wide")));
}

/** Prints what has come since. */
function goOn(told: readonly Told[], { format }: Ask): void {
  process.stdout.write(followedText(told, format, false));
}

/** Follows until the person interrupts it, or whoever reads the output is gone. */
async function following(follow: (how: Following) => Promise<void>): Promise<void> {
  const stopping = new AbortController();
  const stop = (): void => stopping.abort();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, stop);
  process.stdout.on("error", stop);
  await follow({ clock: systemClock, signal: stopping.signal, say });
}
