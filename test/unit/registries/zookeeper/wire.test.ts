import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseConnectString } from "../../../../src/registries/zookeeper/address.ts";
import {
  connectRequest,
  createFrameSplitter,
  createReader,
  frame,
  int,
  long,
  maxFrameBytes,
  nextXid,
  readSession,
  readStat,
  text,
} from "../../../../src/registries/zookeeper/wire.ts";

describe("a connect string", () => {
  test("hosts, ports and chroot", () => {
    expect(parseConnectString("zk-1:2182, zk-2,[2001:db8::1]:2183,[::1]/a/b/")).toEqual({
      servers: [
        { host: "zk-1", port: 2182, name: "zk-1:2182" },
        { host: "zk-2", port: 2181, name: "zk-2:2181" },
        { host: "2001:db8::1", port: 2183, name: "[2001:db8::1]:2183" },
        { host: "::1", port: 2181, name: "[::1]:2181" },
      ],
      chroot: "/a/b",
    });
    expect(parseConnectString("zk:2181/").chroot).toBe("");
  });

  test.each([
    "",
    "zk:",
    "zk:0",
    "zk:65536",
    "zk:x",
    ":2181",
    "a:1:2",
    "::1",
    "[::1",
    "zk-1:2181,",
    "/chroot",
  ])("%j is none", (address) => {
    expect(() => parseConnectString(address)).toThrow(expect.objectContaining({ code: "InvalidSpec" }));
  });
});

describe("the wire format", () => {
  test("a connect request, byte by byte", () => {
    expect(connectRequest(12_000).toString("hex")).toBe(
      "0000002d" + // length 45
        "00000000" + // protocol version
        "0000000000000000" + // last zxid seen: none
        "00002ee0" + // 12,000 ms
        "0000000000000000" + // session: a new one
        `00000010${"00".repeat(16)}` + // password
        "00", // read-only: no
    );
  });

  test("a connect answer", () => {
    const answer = (timeoutMs: number): Buffer => Buffer.concat([int(0), int(timeoutMs), long(7n), int(0)]);
    expect(readSession(createReader(answer(4_000)))).toBe(4_000);
    expect(() => readSession(createReader(answer(0)))).toThrow(RangeError);
    expect(() => readSession(createReader(Buffer.from("HTTP/1.1 400 Bad Request")))).toThrow(RangeError);
  });

  test("request numbers stay within 31 bits", () => {
    expect([0, 1, 2 ** 31 - 2, 2 ** 31 - 1].map(nextXid)).toEqual([1, 2, 2 ** 31 - 1, 1]);
  });

  test("a stat", () => {
    const [czxid, mzxid, ctime, mtime, owner, pzxid] = [2n, 3n, 1_692_673_338_277n, 4n, 5n, 6n].map(long);
    if (!czxid || !mzxid || !ctime || !mtime || !owner || !pzxid) throw new Error("six numbers");
    const bytes = Buffer.concat([
      czxid,
      mzxid,
      ctime,
      mtime,
      int(0),
      int(1),
      int(2),
      owner,
      int(3),
      int(4),
      pzxid,
    ]);
    expect(bytes).toHaveLength(68);
    expect(readStat(createReader(bytes))).toEqual({ czxid: 2n, ctime: 1_692_673_338_277n, pzxid: 6n });
  });

  test("null text and null lists read as empty", () => {
    const reader = createReader(Buffer.concat([int(-1), int(-1)]));
    expect([reader.text(), reader.texts()]).toEqual(["", []]);
  });

  test("law: frames arrive whole, however the stream is cut", () => {
    const bodies = fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 20 });
    fc.assert(
      fc.property(bodies, fc.infiniteStream(fc.integer({ min: 1, max: 30 })), (sent, sizes) => {
        const received: string[] = [];
        const split = createFrameSplitter((body) => received.push(body.toString("hex")));
        let stream = Buffer.concat(sent.map((body) => frame(Buffer.from(body))));
        for (const size of sizes) {
          if (stream.length === 0) break;
          split(stream.subarray(0, size));
          stream = stream.subarray(size);
        }
        expect(received).toEqual(sent.map((body) => Buffer.from(body).toString("hex")));
      }),
    );
  });

  test("a large frame takes the memory of its bytes, however small the pieces are in which it comes", () => {
    const body = Buffer.alloc(2_000_000, "x");
    const bytes = frame(body);
    let received = 0;
    const split = createFrameSplitter((one) => {
      received += one.equals(body) ? 1 : 0;
    });
    for (let at = 0; at < bytes.length; at++) split(bytes.subarray(at, at + 1));
    expect(received).toBe(1);
  });

  test("a list of more names than any registry has is refused before it is read", () => {
    const many = Buffer.concat([int(200_001), Buffer.alloc(200_001 * 4)]);
    expect(() => createReader(many).texts()).toThrow("a list of 200001 names");
    const some = Buffer.concat([int(200_000), Buffer.alloc(200_000 * 4)]);
    expect(createReader(some).texts()).toHaveLength(200_000);
  });

  test.each([-1, maxFrameBytes + 1, Buffer.from("HTTP").readInt32BE()])(
    "a frame of %d bytes is refused",
    (length) => {
      const split = createFrameSplitter(() => {});
      expect(() => split(int(length))).toThrow(RangeError);
    },
  );

  test("law: text survives, and garbage is a RangeError at worst", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (value) => {
        expect(createReader(text(value)).text()).toBe(Buffer.from(value).toString());
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (garbage) => {
        expect(failureOf(() => createReader(Buffer.from(garbage)).texts())).toSatisfy(isHarmless);
      }),
    );
  });
});

function failureOf(run: () => unknown): unknown {
  try {
    run();
    return undefined;
  } catch (error) {
    return error;
  }
}

const isHarmless = (failure: unknown): boolean => failure === undefined || failure instanceof RangeError;
