import { describe, expect, test } from "vitest";
import {
  DialRefusedError,
  describeNetworkError,
  resolveDialable,
} from "../../../../src/registries/transport/dial.ts";

describe("what may be dialled", () => {
  test.each(["127.0.0.1", "::1", "10.0.0.1", "192.168.0.1", "240.241.0.1", "2001:db8::1", "fd00::1"])(
    "%s may",
    async (ip) => {
      expect(await resolveDialable(ip)).toEqual([ip]);
    },
  );

  test.each([
    "0.0.0.0",
    "0.1.2.3",
    "169.254.169.254",
    "224.0.0.1",
    "239.255.255.255",
    "255.255.255.255",
    "::",
    "fe80::1",
    "ff02::1",
    "::ffff:169.254.169.254",
    "100.100.100.200",
    "fd00:ec2::254",
    "fd20:ce::254",
    "168.63.129.16",
    "192.0.0.192",
    "fec0::1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::6464:64c8",
    "2002:a9fe:a9fe::1",
    "::169.254.169.254",
    "::ffff:100.100.100.200",
  ])("%s may not", async (ip) => {
    await expect(resolveDialable(ip)).rejects.toThrow(DialRefusedError);
  });

  test.each([
    ["10.1.2.3", ["10.0.0.0/8"]],
    ["::ffff:10.1.2.3", ["10.0.0.0/8"]],
    ["fd00::1", ["10.0.0.0/8", "fd00::/8"]],
    ["127.0.0.1", ["127.0.0.0/8"]],
  ])("%s may, within %j", async (ip, allowed) => {
    expect(await resolveDialable(ip, allowed)).toEqual([ip]);
  });

  test.each([
    ["11.1.2.3", ["10.0.0.0/8"]],
    ["127.0.0.1", ["10.0.0.0/8"]],
    ["fd00::1", ["10.0.0.0/8"]],
  ])("%s may not, where %j is allowed, and the flag is named", async (ip, allowed) => {
    await expect(resolveDialable(ip, allowed)).rejects.toThrow(
      new DialRefusedError(`${ip} is in none of the ranges of --allow-registry-cidrs`),
    );
  });

  test.each(["169.254.169.254", "100.100.100.200", "fe80::1"])("no range allows %s", async (ip) => {
    await expect(resolveDialable(ip, ["0.0.0.0/0", "::/0"])).rejects.toThrow(/metadata service/);
  });

  test("a name is resolved", async () => {
    expect(["127.0.0.1", "::1"]).toContain((await resolveDialable("localhost"))[0]);
  });

  test("a name is looked up once, however many ask for it meanwhile, and anew later", async () => {
    /** Of libuv, while so many ask. */
    const lookups = async (askers: number): Promise<number> => {
      const asked = Array.from({ length: askers }, () => resolveDialable("localhost"));
      const running = process.getActiveResourcesInfo().filter((kind) => kind.startsWith("GetAddrInfo"));
      await Promise.allSettled(asked);
      return running.length;
    };
    const ofOne = await lookups(1);
    expect(ofOne).toBeGreaterThan(0);
    expect(await lookups(20)).toBe(ofOne);
  });

  test("a name without an address fails with the resolver's own error, in words", async () => {
    const failure = await resolveDialable("nothing.invalid").catch((error: unknown) => error);
    expect(failure).not.toBeInstanceOf(DialRefusedError);
    expect(["no such host", "the name server does not answer"]).toContain(describeNetworkError(failure));
  });

  test.each(["SSL/TLS_ALERT_BAD_CERTIFICATE", "TLSV13_ALERT_CERTIFICATE_REQUIRED", "TLSV1_ALERT_UNKNOWN_CA"])(
    "%s is about the client's certificate",
    (alert) => {
      const failure = Object.assign(new Error("40:error:0A"), { code: `ERR_SSL_${alert}`, reason: "alert" });
      expect(describeNetworkError(failure)).toBe(
        "the server refuses the client's certificate, or demands one",
      );
    },
  );
});
