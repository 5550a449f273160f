import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { RegistryError } from "../../src/model/errors.ts";
import type { RegistryAdapter } from "../../src/registries/adapter.ts";
import type { Deps } from "../../src/runtime/deps.ts";
import type { FaultProxy } from "../bed/fault-proxy.ts";
import { eventually } from "../support/eventually.ts";
import { countingDeps } from "./counting-deps.ts";
import { addressesOf, firstSnapshot, instancesOf, observe, serviceOf } from "./observe.ts";

/** An instance as a test registers it. */
export interface TestInstance {
  readonly address: string;
  readonly port: number;
  /** The value of `metadataKey`. */
  readonly note?: string;
}

/**
 * A real server of one registry type, with an independent party that registers services in it. The adapters
 * under test read it through `proxy`.
 */
export interface RegistryHarness extends AsyncDisposable {
  readonly proxy: FaultProxy;
  /** An adapter on what was registered since the last `clear`. */
  open(deps?: Deps): RegistryAdapter;
  /** An adapter whose credentials are not good enough to read anything. */
  openUnauthorized(): Promise<RegistryAdapter>;
  /** An adapter on an address where nothing listens. */
  openNowhere(): Promise<RegistryAdapter>;
  /** From here on the registry is empty. */
  clear(): Promise<void>;
  register(service: string, instances: readonly TestInstance[]): Promise<void>;
  deregister(service: string, instances: readonly TestInstance[]): Promise<void>;
  /** Adds what no reader can understand to a service. */
  registerMalformed(service: string): Promise<void>;
  /** Absent where the registry knows no health. */
  readonly setHealth?: (service: string, instance: TestInstance, isHealthy: boolean) => Promise<void>;
  /** Resolves once a reader has got past the handshake and reads. */
  untilRead(): Promise<void>;
  /** kill -9, and the same data again. */
  restart(): Promise<void>;
}

/** What is particular about a registry type. */
export interface RegistryTraits {
  /** What is left of a service whose last instance went. */
  readonly emptied: "present" | "absent";
  /** The key of an instance's metadata that `TestInstance.note` is found under. */
  readonly metadataKey: string;
  /** Service names of the worst kinds that this registry can hold. */
  readonly oddNames: readonly string[];
  /** How long a change may take to be seen on a busy machine, in ms. */
  readonly visibleMs: number;
  /** Within this long a server that stopped answering is noticed on a busy machine, in ms. */
  readonly frozenMs: number;
  /** Cases that cannot be: case number -> why. */
  readonly skipped: Readonly<Record<string, string>>;
}

/** Names that need escaping somewhere, or look as if they did. */
export const oddNames: readonly string[] = [
  "a.B$Inner",
  "UPPER.Case_Name",
  "org.example.Ünïcode",
  "with:colon",
  "with/slash",
  "with space",
  "50%",
];

const a: TestInstance = { address: "10.42.0.1", port: 20_880 };
const b: TestInstance = { address: "10.42.0.2", port: 20_880 };

/** The promises of `RegistryAdapter`, on a real server. Every registry type runs all of it. Names are in upper case, for Eureka has no others. */
export function describeRegistry(
  name: string,
  traits: RegistryTraits,
  start: () => Promise<RegistryHarness>,
): void {
  describe(`${name}: the contract of a registry`, () => {
    let registry: RegistryHarness;
    beforeAll(async () => {
      registry = await start();
    });
    afterAll(async () => registry[Symbol.asyncDispose]());
    beforeEach(async () => {
      await registry.proxy.heal();
      await registry.clear();
    });

    const contract = (id: string, promise: string, run: () => Promise<void>): void => {
      const reason = traits.skipped[id];
      test.runIf(reason === undefined)(`${id} ${promise}${reason ? ` (not here: ${reason})` : ""}`, run);
    };

    contract("C1", "an empty registry is one snapshot without services", async () => {
      await using observer = observe(registry.open());
      const snapshot = await observer.until(() => {});
      expect(snapshot.services.size).toBe(0);
      expect(observer.snapshots).toHaveLength(1);
    });

    contract("C2", "the first snapshot is complete", async () => {
      const names = Array.from({ length: 200 }, (_, at) => `ORG.EXAMPLE.SERVICE${at}`);
      await Promise.all(names.map((one) => registry.register(one, [a, b])));
      const snapshot = await firstSnapshot(registry.open());
      expect([...snapshot.services.values()].map((service) => service.name).toSorted()).toEqual(
        names.toSorted(),
      );
      for (const one of names)
        expect(addressesOf(snapshot, one)).toEqual(["10.42.0.1:20880", "10.42.0.2:20880"]);
    });

    contract("C3", "a registered instance appears, also of a new service", async () => {
      await using observer = observe(registry.open());
      await observer.until(() => {});
      await registry.register("ORG.EXAMPLE.NEW", [a]);
      await observer.until((one) => expect(addressesOf(one, "ORG.EXAMPLE.NEW")).toEqual(["10.42.0.1:20880"]));
      await registry.register("ORG.EXAMPLE.NEW", [b]);
      await observer.until(
        (one) => expect(addressesOf(one, "ORG.EXAMPLE.NEW")).toHaveLength(2),
        traits.visibleMs,
      );
    });

    contract("C4", "a deregistered instance goes", async () => {
      await registry.register("ORG.EXAMPLE.SHRINKS", [a, b]);
      await using observer = observe(registry.open());
      await observer.until((one) => expect(addressesOf(one, "ORG.EXAMPLE.SHRINKS")).toHaveLength(2));
      await registry.deregister("ORG.EXAMPLE.SHRINKS", [a]);
      await observer.until(
        (one) => expect(addressesOf(one, "ORG.EXAMPLE.SHRINKS")).toEqual(["10.42.0.2:20880"]),
        traits.visibleMs,
      );
    });

    contract("C5", `a service without instances is ${traits.emptied}`, async () => {
      await registry.register("ORG.EXAMPLE.ENDS", [a]);
      await using observer = observe(registry.open());
      await observer.until((one) => expect(addressesOf(one, "ORG.EXAMPLE.ENDS")).toHaveLength(1));
      await registry.deregister("ORG.EXAMPLE.ENDS", [a]);
      await observer.until((one) => {
        if (traits.emptied === "present") expect(addressesOf(one, "ORG.EXAMPLE.ENDS")).toEqual([]);
        else expect(one.services.size).toBe(0);
      }, traits.visibleMs);
    });

    contract("C6", "changed metadata is a new snapshot", async () => {
      await registry.register("ORG.EXAMPLE.META", [{ ...a, note: "before" }]);
      await using observer = observe(registry.open());
      const note = (): unknown => {
        const snapshot = observer.snapshots.at(-1);
        return (
          snapshot && instancesOf(snapshot, "ORG.EXAMPLE.META").map((one) => one.metadata[traits.metadataKey])
        );
      };
      await observer.until(() => expect(note()).toEqual(["before"]));
      await registry.deregister("ORG.EXAMPLE.META", [{ ...a, note: "before" }]);
      await registry.register("ORG.EXAMPLE.META", [{ ...a, note: "after" }]);
      await observer.until(() => expect(note()).toEqual(["after"]), traits.visibleMs);
    });

    contract("C7", "an unhealthy instance is left out until it is healthy again", async () => {
      const { setHealth } = registry;
      if (setHealth === undefined)
        throw new Error("this harness cannot set health: write down why C7 is skipped");
      await registry.register("ORG.EXAMPLE.ILL", [a, b]);
      await using observer = observe(registry.open());
      await observer.until((one) => expect(addressesOf(one, "ORG.EXAMPLE.ILL")).toHaveLength(2));
      await setHealth("ORG.EXAMPLE.ILL", a, false);
      const isGone = (): Promise<unknown> =>
        observer.until(
          (one) => expect(addressesOf(one, "ORG.EXAMPLE.ILL")).toEqual(["10.42.0.2:20880"]),
          traits.visibleMs,
        );
      await isGone();
      await setHealth("ORG.EXAMPLE.ILL", a, true);
      await observer.until(
        (one) => expect(addressesOf(one, "ORG.EXAMPLE.ILL")).toHaveLength(2),
        traits.visibleMs,
      );
    });

    contract("C8", "what did not change keeps its identity", async () => {
      await registry.register("ORG.EXAMPLE.SAME", [a, b]);
      await registry.register("ORG.EXAMPLE.OTHER", [a]);
      await using observer = observe(registry.open());
      const before = await observer.until((one) =>
        expect(addressesOf(one, "ORG.EXAMPLE.OTHER")).toHaveLength(1),
      );
      await registry.register("ORG.EXAMPLE.OTHER", [b]);
      const after = await observer.until((one) =>
        expect(addressesOf(one, "ORG.EXAMPLE.OTHER")).toHaveLength(2),
      );
      expect(serviceOf(after, "ORG.EXAMPLE.SAME")).toBe(serviceOf(before, "ORG.EXAMPLE.SAME"));
      expect(serviceOf(after, "ORG.EXAMPLE.OTHER")).not.toBe(serviceOf(before, "ORG.EXAMPLE.OTHER"));
    });

    contract("C9", "two readers of one state see the same", async () => {
      await registry.register("ORG.EXAMPLE.TWICE", [b, a]);
      const [one, two] = await Promise.all([firstSnapshot(registry.open()), firstSnapshot(registry.open())]);
      expect(two.services).toEqual(one.services);
      expect(two.origin).toBe(one.origin);
    });

    contract("C10", "500 services of 20 instances are listed whole", async () => {
      const many = Array.from({ length: 20 }, (_, at) => ({ address: `10.42.1.${at + 1}`, port: 20_880 }));
      const names = Array.from({ length: 500 }, (_, at) => `ORG.EXAMPLE.MANY${at}`);
      await Promise.all(names.map((one) => registry.register(one, many)));
      const snapshot = await firstSnapshot(registry.open());
      expect(snapshot.services.size).toBe(500);
      for (let at = 0; at < 500; at++)
        expect(addressesOf(snapshot, `ORG.EXAMPLE.MANY${at}`)).toHaveLength(20);
    });

    contract("C11", "a burst of 100 changes ends right, in far fewer snapshots", async () => {
      await registry.register("ORG.EXAMPLE.BURST", [a]);
      await using observer = observe(registry.open());
      await observer.until((one) => expect(addressesOf(one, "ORG.EXAMPLE.BURST")).toHaveLength(1));
      const more = Array.from({ length: 100 }, (_, at) => ({ address: `10.42.2.${at + 1}`, port: 20_880 }));
      await registry.register("ORG.EXAMPLE.BURST", more);
      await registry.deregister("ORG.EXAMPLE.BURST", [a]);
      await observer.until((one) => {
        expect(addressesOf(one, "ORG.EXAMPLE.BURST")).toEqual(
          more.map((it) => `${it.address}:${it.port}`).toSorted(),
        );
      });
      expect(observer.snapshots.length).toBeLessThan(50);
    });

    contract("C12", "odd names and IPv6 addresses arrive as they were registered", async () => {
      const v6: TestInstance = { address: "2001:db8::1", port: 20_880 };
      for (const one of traits.oddNames) await registry.register(one, [a, v6]);
      const snapshot = await firstSnapshot(registry.open());
      expect([...snapshot.services.values()].map((service) => service.name).toSorted()).toEqual(
        traits.oddNames.toSorted(),
      );
      for (const one of traits.oddNames) {
        expect(instancesOf(snapshot, one).map(({ address }) => address)).toEqual([
          "10.42.0.1",
          "2001:db8::1",
        ]);
      }
    });

    contract("C13", "a malformed entry is a problem, and the rest is whole", async () => {
      await registry.register("ORG.EXAMPLE.MIXED", [a]);
      await registry.registerMalformed("ORG.EXAMPLE.MIXED");
      await registry.register("ORG.EXAMPLE.FINE", [b]);
      const snapshot = await firstSnapshot(registry.open());
      expect(addressesOf(snapshot, "ORG.EXAMPLE.MIXED")).toEqual(["10.42.0.1:20880"]);
      expect(serviceOf(snapshot, "ORG.EXAMPLE.MIXED").problems).toMatchObject([{ severity: "rejected" }]);
      expect(serviceOf(snapshot, "ORG.EXAMPLE.FINE").problems).toEqual([]);
    });

    contract("C14", "credentials that are not good enough are RegistryUnauthorized", async () => {
      const adapter = await registry.openUnauthorized();
      await using observer = observe(adapter);
      const error = await observer.ended;
      expect(error).toBeInstanceOf(RegistryError);
      expect(error).toMatchObject({ code: "RegistryUnauthorized" });
      expect(observer.snapshots).toEqual([]);
    });

    contract("C15", "an address where nothing listens is RegistryUnreachable", async () => {
      await using observer = observe(await registry.openNowhere());
      expect(await observer.ended).toMatchObject({ code: "RegistryUnreachable" });
    });

    for (const moment of ["connecting", "listing", "idle"] as const) {
      contract("C16", `an abort while ${moment} ends the watch and leaves nothing behind`, async () => {
        for (let at = 0; at < 20; at++) await registry.register(`ORG.EXAMPLE.LEAK${at}`, [a, b]);
        const deps = countingDeps();
        const before = sockets();
        if (moment === "connecting") registry.proxy.swallow();
        if (moment === "listing") registry.proxy.trickle(2_000);
        const { accepted } = registry.proxy;
        await using observer = observe(registry.open(deps));
        if (moment === "idle") await observer.until(() => {});
        else if (moment === "listing") await registry.untilRead();
        else await eventually(() => expect(registry.proxy.accepted).toBeGreaterThan(accepted), 5_000);
        await observer.abort();
        expect(await observer.ended).toBeUndefined();
        await eventually(() => {
          expect(deps.waiting()).toBe(0);
          expect(registry.proxy.open).toBe(0);
          expect(sockets()).toBeLessThanOrEqual(before); // less: an idle one of the harness has been closed
        }, 1_000);
      });
    }

    contract("C16", "an abort at any moment of the first 100 ms leaves nothing behind", async () => {
      await registry.register("ORG.EXAMPLE.LEAK", [a, b]);
      const deps = countingDeps();
      for (let ms = 0; ms < 100; ms += 2) {
        await using observer = observe(registry.open(deps));
        await delay(ms); // not a wait for something: the moment is what is tested
        await observer.abort();
        expect(await observer.ended).toBeUndefined();
      }
      await eventually(() => {
        expect(deps.waiting()).toBe(0);
        expect(registry.proxy.open).toBe(0);
      }, 1_000);
    });

    contract("C17", "two readers do not disturb each other", async () => {
      await registry.register("ORG.EXAMPLE.SHARED", [a]);
      await using one = observe(registry.open());
      await using two = observe(registry.open());
      await one.until((it) => expect(addressesOf(it, "ORG.EXAMPLE.SHARED")).toHaveLength(1));
      await two.until((it) => expect(addressesOf(it, "ORG.EXAMPLE.SHARED")).toHaveLength(1));
      await one.abort();
      await registry.register("ORG.EXAMPLE.SHARED", [b]);
      await two.until(
        (it) => expect(addressesOf(it, "ORG.EXAMPLE.SHARED")).toHaveLength(2),
        traits.visibleMs,
      );
    });

    contract(
      "C19",
      "a connection that breaks ends the watch, and the next one lists everything",
      async () => {
        await registry.register("ORG.EXAMPLE.CUT", [a]);
        await using observer = observe(registry.open());
        await observer.until((one) => expect(addressesOf(one, "ORG.EXAMPLE.CUT")).toHaveLength(1));
        registry.proxy.cut();
        expect(await observer.ended).toMatchObject({ code: "RegistryUnreachable" });
        expect(addressesOf(await firstSnapshot(registry.open()), "ORG.EXAMPLE.CUT")).toHaveLength(1);
      },
    );

    contract("C20", "a server that stops answering in an open connection ends the watch", async () => {
      await registry.register("ORG.EXAMPLE.SILENT", [a]);
      await using observer = observe(registry.open());
      await observer.until((one) => expect(addressesOf(one, "ORG.EXAMPLE.SILENT")).toHaveLength(1));
      registry.proxy.stall();
      await eventually(() => expect(observer.isOver()).toBe(true), traits.frozenMs);
      expect(await observer.ended).toMatchObject({ code: "RegistryUnreachable" });
    });

    contract("C21", "a listing that gets stuck is never told in part", async () => {
      for (let at = 0; at < 50; at++) await registry.register(`ORG.EXAMPLE.STUCK${at}`, [a, b]);
      registry.proxy.trickle(4_000);
      await using observer = observe(registry.open());
      await registry.untilRead();
      registry.proxy.stall();
      expect(await observer.ended).toMatchObject({ code: "RegistryUnreachable" });
      expect(observer.snapshots).toEqual([]);
    });

    contract("C22", "a restarted server ends the watch, and the next one lists everything", async () => {
      await registry.register("ORG.EXAMPLE.RESTART", [a]);
      await using observer = observe(registry.open());
      const before = await observer.until((one) =>
        expect(addressesOf(one, "ORG.EXAMPLE.RESTART")).toHaveLength(1),
      );
      await registry.restart();
      expect(await observer.ended).toMatchObject({ code: "RegistryUnreachable" });
      const after = await firstSnapshot(registry.open());
      expect(serviceOf(after, "ORG.EXAMPLE.RESTART").name).toBe("ORG.EXAMPLE.RESTART");
      expect(after.origin).toBe(before.origin);
    });
  });
}

/** How many network handles this process has. */
function sockets(): number {
  return process.getActiveResourcesInfo().filter((kind) => /^(TCP|TLS|GetAddrInfo)/.test(kind)).length;
}
