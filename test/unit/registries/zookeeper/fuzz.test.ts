import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RegistryError } from "../../../../src/model/errors.ts";
import type { FakeZooKeeper } from "../../../fakes/zookeeper/server.ts";
import { ZnodeError } from "../../../fakes/zookeeper/znodes.ts";
import { instanceNode, metadataInfo } from "../../../support/dubbo-application.ts";
import { type FakeReading, startFakeReading } from "./fake-reader.ts";

const one = { address: "10.0.0.1", port: 20_880, revision: "r1" };

function fill(zk: FakeZooKeeper): void {
  zk.register("a.B", ["dubbo://10.0.0.1:1/a.B", "dubbo://10.0.0.2:1/a.B"]);
  zk.register("a.C", ["tri://10.0.0.1:2/a.C"]);
  zk.create("/services/app/10.0.0.1:20880", instanceNode("app", one));
  zk.create("/services/local/10.0.0.9:1", instanceNode("local", { ...one, storage: "local" }));
  zk.create("/dubbo/metadata/app/r1", metadataInfo("app", "r1", [{ name: "a.D" }]));
  zk.create("/dubbo/mapping/a.E", "local");
}

/** Runs a property on a fresh server each time. */
async function onServers<T>(
  arbitrary: fc.Arbitrary<T>,
  runs: number,
  check: (reading: FakeReading, value: T) => Promise<void>,
) {
  const property = fc.asyncProperty(arbitrary, async (value) => {
    await using reading = await startFakeReading();
    await check(reading, value);
  });
  await fc.assert(property, { numRuns: runs });
}

/** Creates a node; what a server would refuse is left out. */
function plant(zk: FakeZooKeeper, path: string, data = ""): void {
  try {
    if (!zk.has(path)) zk.create(path, data);
  } catch (error) {
    if (!(error instanceof ZnodeError)) throw error;
  }
}

describe("whatever a server answers", () => {
  const damage = fc.oneof(
    fc.record({ kind: fc.constant("flip" as const), at: fc.nat(400), bit: fc.nat(7) }),
    fc.record({ kind: fc.constant("cut" as const), at: fc.nat(200), bit: fc.constant(0) }),
    fc.record({ kind: fc.constant("insert" as const), at: fc.nat(200), bit: fc.nat(255) }),
    fc.record({
      kind: fc.constant("length" as const),
      at: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
      bit: fc.constant(0),
    }),
  );

  test("law: it is a snapshot or a RegistryError", async () => {
    await onServers(
      fc.tuple(fc.nat(20), damage, fc.integer({ min: 1, max: 50 })),
      60,
      async (reading, [skip, how, pieces]) => {
        fill(reading.zk);
        reading.zk.faults.pieceBytes = pieces;
        let left = skip;
        const change = (answer: Buffer): Buffer => damaged(answer, how);
        reading.zk.faults.add(() => (left-- === 0 ? { change } : undefined));
        const observer = reading.read();
        await reading.pass(12_000);
        await observer.abort();
        const failure = await observer.ended;
        expect(failure === undefined || failure instanceof RegistryError).toBe(true);
        expect(String((failure as Error | undefined)?.message ?? "").length).toBeLessThan(500);
      },
    );
  });

  function damaged(
    answer: Buffer,
    { kind, at, bit }: { readonly kind: string; readonly at: number; readonly bit: number },
  ): Buffer {
    const bytes = Buffer.from(answer);
    const place = at % Math.max(1, bytes.length);
    if (kind === "flip") bytes[place] = (bytes[place] ?? 0) ^ (1 << bit);
    if (kind === "cut") return bytes.subarray(0, place);
    if (kind === "insert")
      return Buffer.concat([bytes.subarray(0, place), Buffer.of(bit), bytes.subarray(place)]);
    if (kind === "length") bytes.writeInt32BE(at);
    return bytes;
  }

  test("an answer without an end is given up at 64 MB", async () => {
    await using reading = await startFakeReading();
    const endless = Buffer.from([0x04, 0x00, 0x00, 0x01, 0, 0, 0, 0]);
    reading.zk.faults.add(({ operation }) => (operation === "getChildren2" ? { bytes: endless } : undefined));
    const observer = reading.read();
    await reading.pass(1_000);
    expect(await observer.ended).toMatchObject({ code: "RegistryBadResponse" });
  });
});

describe("whatever is registered", () => {
  const text = fc.string({ unit: "binary", maxLength: 30 });
  const name = fc.oneof(
    text,
    fc.constantFrom(
      "a.B",
      "__proto__",
      "%",
      "%ZZ",
      "providers",
      "mapping",
      "10.0.0.1:1",
      "[::1]:1",
      ":1",
      "a".repeat(5_000),
    ),
  );
  const data = fc.oneof(
    text,
    fc.json(),
    fc.constantFrom("null", "[]", '{"services":{}}', '{"address":1}', '{"services":{"x":null}}'),
  );
  const node = fc.record({
    parent: fc.constantFrom("/dubbo", "/services", "/dubbo/mapping", "/dubbo/metadata"),
    names: fc.array(name, { minLength: 1, maxLength: 3 }),
    data,
  });

  test("law: everything else is read all the same", async () => {
    await onServers(fc.array(node, { maxLength: 12 }), 60, async (reading, nodes) => {
      fill(reading.zk);
      for (const { parent, names, data: content } of nodes) {
        const segments = names.map((segment) => segment.replaceAll("/", "%2F"));
        plant(reading.zk, `${parent}/${segments.join("/")}`, content);
        plant(reading.zk, `${parent}/${segments[0]}/providers/${encodeURIComponent(content.slice(0, 50))}`);
      }
      const observer = reading.read({ known: ["a.Known"] });
      const snapshot = await reading.until(observer, () => {});
      for (const service of ["a.B", "a.C", "a.D"])
        expect(snapshot.services.get(service)?.instances).not.toEqual([]);
      for (const { at, detail } of snapshot.problems) expect(`${at}${detail}`.length).toBeLessThan(12_000);
    });
  });
});

describe("whatever happens", () => {
  const place = fc.constantFrom(
    "/dubbo/a.X/providers/dubbo%3A%2F%2F10.0.0.3%3A1%2Fa.X",
    "/dubbo/a.X/consumers/c",
    "/dubbo/b.Y/providers/dubbo%3A%2F%2F10.0.0.9%3A1%2Fb.Y",
    "/dubbo/a.Z%24C/providers/dubbo%3A%2F%2F10.0.0.4%3A1%2Fa.Z",
    "/dubbo/a.Z$C/providers/dubbo%3A%2F%2F10.0.0.5%3A1%2Fa.Z",
    "/services/app/10.0.0.8:20880",
    "/services/local/10.0.0.9:1",
    "/dubbo/app/10.0.0.7:20880",
    "/services/app/uuid",
    "/dubbo/mapping/a.E",
    "/dubbo/mapping/a.X",
    "/dubbo/metadata/app/r2",
  );
  const contents: Readonly<Record<string, string>> = {
    "/services/app/10.0.0.8:20880": instanceNode("app", { ...one, address: "10.0.0.8" }),
    "/services/local/10.0.0.9:1": instanceNode("local", {
      ...one,
      address: "10.0.0.9",
      port: 1,
      storage: "local",
    }),
    "/dubbo/app/10.0.0.7:20880": instanceNode("app", { ...one, address: "10.0.0.7", revision: "r2" }),
    "/dubbo/mapping/a.E": "local",
    "/dubbo/mapping/a.X": "app,local",
    "/dubbo/metadata/app/r2": metadataInfo("app", "r2", [{ name: "a.F" }, { name: "a.X" }]),
  };
  const change = fc.record({
    what: fc.constantFrom("create" as const, "create" as const, "delete" as const, "drop" as const),
    place,
  });

  test("law: after each burst a reader that watches sees what a fresh one does", async () => {
    await onServers(
      fc.array(fc.array(change, { maxLength: 4 }), { maxLength: 8 }),
      60,
      async (reading, bursts) => {
        fill(reading.zk);
        const wants = (service: string): boolean => service.startsWith("a.");
        const watching = reading.read({ wants });
        await reading.until(watching, () => {});
        for (const burst of bursts) {
          for (const { what, place: path } of burst) {
            if (what === "create") plant(reading.zk, path, contents[path]);
            else if (what === "delete" && !path.includes("metadata") && reading.zk.has(path))
              reading.zk.delete(path);
            else if (what === "drop" && /^\/dubbo\/[ab]\./.test(path)) {
              const directory = path.split("/").slice(0, 3).join("/");
              if (reading.zk.has(directory)) reading.zk.delete(directory);
            }
          }
          await reading.pass(1_000);
          const fresh = reading.read({ wants });
          const { services, problems } = await reading.until(fresh, () => {});
          await fresh.abort();
          const seen = watching.snapshots.at(-1);
          expect(seen?.services).toEqual(services);
          expect(seen?.problems).toEqual(problems);
        }
      },
    );
  });
});
