import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodePayload, encodePayload } from "../../../../src/registries/nacos/payload.ts";

function isRangeErrorOrNone(run: () => void): boolean {
  try {
    run();
    return true;
  } catch (error) {
    return error instanceof RangeError;
  }
}

describe("the envelope of Nacos' gRPC", () => {
  test("is as Protocol Buffers write it", () => {
    const message = encodePayload({ type: "T", headers: { a: "b" }, body: "{}" });
    // Payload.metadata { type "T", headers { "a": "b" } }, Payload.body { value "{}" }: written by hand from the .proto.
    expect(message.toString("hex")).toBe("120b1a01543a060a01611201621a0412027b7d");
  });

  test("comes back as it was sent, whatever its length", () => {
    const text = fc.string({ unit: "grapheme", maxLength: 40_000 });
    fc.assert(
      fc.property(text, text, (type, body) => {
        const { type: sameType, body: sameBody } = decodePayload(
          encodePayload({ type, headers: { x: type }, body }),
        );
        expect([sameType, sameBody]).toEqual([type.toWellFormed(), body.toWellFormed()]);
      }),
    );
  });

  test("fields that are not known are skipped", () => {
    const known = encodePayload({ type: "T", headers: {}, body: "{}" });
    const unknown = ["0801", "0d00000000", "110000000000000000", "2203616263"].map((hex) =>
      Buffer.from(hex, "hex"),
    );
    expect(decodePayload(Buffer.concat([...unknown, known]))).toMatchObject({ type: "T", body: "{}" });
  });

  test("bytes that are none are a RangeError or read as something, and nothing else", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const decode = () => decodePayload(Buffer.from(bytes));
        expect(isRangeErrorOrNone(decode)).toBe(true);
      }),
    );
  });
});
