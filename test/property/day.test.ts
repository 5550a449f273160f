import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { type OpenRegistry, openRegistry } from "../../src/registries/index.ts";
import { hour, hub, minute, openWorld, second, type World } from "../controllers/world.ts";
import { fakeClock } from "../support/fake-clock.ts";
import { type DayRegistry, dayRegistries } from "./day-registries.ts";

/** Half an hour in the suite; `DAY_HOURS=24` by hand. */
const hours = Number(process.env.DAY_HOURS ?? 0.5);
const seed = Number(process.env.DAY_SEED ?? 1);
/** Services of each registry. */
const services = 50;
/** A dead endpoint is gone, and a new one is there, after so long at the latest: outages come every 12 minutes at most. */
const lateMs = 20 * minute;

type Random = (below: number) => number;

/** The same numbers for the same seed (mulberry32). */
function randomOf(start: number): Random {
  let state = start;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

interface Provider {
  readonly service: string;
  readonly ip: string;
  readonly bornAt: number;
  diedAt: number | undefined;
  /** The cluster has had it. */
  wasSeen: boolean;
}

/** One registry, what runs in it, and what is wrong with it now. */
class Fleet {
  readonly registry: DayRegistry;
  readonly target: string;
  readonly providers = new Set<Provider>();
  readonly #world: World;
  readonly #random: Random;
  #born = 0;
  /** What puts things right, by when. */
  readonly #wrong = new Map<() => Promise<void> | void, number>();
  #nextOutage: number;

  constructor(registry: DayRegistry, world: World, random: Random) {
    this.registry = registry;
    this.target = registry.type;
    this.#world = world;
    this.#random = random;
    this.#nextOutage = this.#after(4 * minute, 12 * minute);
    for (let at = 0; at < services; at++) this.bear(`demo.S${at}`);
  }

  bear(service: string): void {
    const ip = `10.42.${Math.floor(this.#born / 250)}.${(this.#born % 250) + 1}`;
    this.#born = (this.#born + 1) % 60_000;
    this.providers.add({
      service,
      ip,
      bornAt: this.#world.clock.monotonic(),
      diedAt: undefined,
      wasSeen: false,
    });
    this.registry.register(service, ip);
  }

  /** A provider starts, or one ends. */
  change(): void {
    const living = [...this.providers].filter(({ diedAt }) => diedAt === undefined);
    const one = living[this.#random(living.length)];
    const isLast = living.filter(({ service }) => service === one?.service).length === 1;
    // So many services that lose their last provider are for the brake, which has tests of its own.
    const mayDie = !isLast || this.#random(20) === 0;
    if (one === undefined || living.length < 2 * services || !mayDie)
      this.bear(`demo.S${this.#random(services)}`);
    else {
      one.diedAt = this.#world.clock.monotonic();
      this.registry.deregister(one.service, one.ip);
    }
  }

  slip(): void {
    const { slips } = this.registry;
    const heal = slips[this.#random(slips.length)]?.();
    if (heal !== undefined) this.#wrong.set(heal, this.#after(2 * second, 20 * second));
  }

  /** Puts right what has been wrong for long enough, and breaks the connections when it is time. */
  async tick(): Promise<void> {
    const now = this.#world.clock.monotonic();
    for (const [heal, at] of this.#wrong) {
      if (at > now) continue;
      this.#wrong.delete(heal);
      await heal();
    }
    if (now < this.#nextOutage) return;
    const { outages } = this.registry;
    const which = this.#random(outages.length + 1);
    const outage = outages[which];
    const heal = outage === undefined ? await this.#lose() : await outage();
    this.#wrong.set(heal, this.#after(second, outage === undefined ? this.registry.returnMs : minute));
    this.#nextOutage = this.#after(4 * minute, 12 * minute);
  }

  /** The registry's data are gone, and the providers register again. */
  async #lose(): Promise<() => void> {
    await this.registry.lose();
    return () => {
      for (const { service, ip, diedAt } of this.providers)
        if (diedAt === undefined) this.registry.register(service, ip);
    };
  }

  /** What is wrong with the cluster, in words. */
  faults(): readonly string[] {
    const now = this.#world.clock.monotonic();
    const inCluster = new Set<string>();
    for (const { spec } of this.#world.person.list("serviceentries", this.target))
      for (const { address } of spec.endpoints ?? []) inCluster.add(`${spec.hosts?.[0]} ${address}`);
    const faults: string[] = [];
    for (const provider of this.providers) {
      const { service, ip, bornAt, diedAt, wasSeen } = provider;
      const name = `${service.toLowerCase()}.${this.target} ${ip}`;
      const isThere = inCluster.delete(name);
      const say = (what: string): void => void faults.push(`${this.target}: ${name} ${what}`);
      if (isThere) provider.wasSeen = true;
      if (diedAt === undefined && !isThere && wasSeen) say("lives and was removed");
      if (diedAt === undefined && !isThere && now - bornAt > lateMs) say("lives and is not there");
      if (diedAt !== undefined && isThere && now - diedAt > lateMs) say("is dead and stays");
      if (diedAt !== undefined && !isThere && now - diedAt > lateMs) this.providers.delete(provider);
    }
    for (const name of inCluster) faults.push(`${this.target}: ${name} never lived`);
    return faults;
  }

  #after(fromMs: number, toMs: number): number {
    return this.#world.clock.monotonic() + fromMs + this.#random(toMs - fromMs);
  }
}

/** In MB, after everything that can go has gone. */
function heapMb(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  return process.memoryUsage().heapUsed / 2 ** 20;
}

test(`nothing that lives is missing, and nothing dead stays, in ${hours} h of faults on every registry`, {
  timeout: hours * 10 * minute,
}, async () => {
  const random = randomOf(seed);
  const clock = fakeClock();
  await using stack = new AsyncDisposableStack();
  const registries: DayRegistry[] = [];
  for (const open of dayRegistries) registries.push(stack.use(await open(clock)));
  const requests = (): number => registries.reduce((sum, { requests }) => sum + requests.length, 0);
  const world = openWorld({ clock, servers: { open: openRegistry as OpenRegistry, requests } });
  const fleets = registries.map((registry) => {
    const { type, address } = registry;
    world.person.createNamespace(type);
    world.person.put(hub({ type, address, generate_to: type }, { name: type }));
    return new Fleet(registry, world, random);
  });
  const any = (): Fleet => fleets[random(fleets.length)] as Fleet;
  await world.hubController.start();
  await world.advance(5 * minute);
  /** The metrics library keeps what was started in this process, about 1 MB each; a new process would not. */
  const restartsUntil = (hours * hour) / 2;
  const heap: number[] = [];
  let faults: readonly string[] = [];
  for (let time = 0; time < hours * hour && faults.length === 0; time += second) {
    await world.advance(second);
    if (random(5) === 0) any().change();
    if (random(4) === 0) any().slip();
    for (const fleet of fleets) await fleet.tick();
    if (time < restartsUntil && random(3600) === 0) await world.hubController.restart();
    if (time % (10 * second) === 0) faults = fleets.flatMap((fleet) => fleet.faults());
    if (time % hour !== 0) continue;
    for (const { requests } of registries) requests.length = 0;
    world.forget();
    heap.push(Math.round(heapMb()));
  }
  expect(faults).toEqual([]);
  const since = heap.slice(heap.length / 2);
  expect(Math.max(...since.slice(-3))).toBeLessThan(1.1 * Math.max(...since.slice(0, 3)));
});
