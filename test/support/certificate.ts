import { generateKeyPairSync, type KeyLike, randomBytes, sign } from "node:crypto";

/** A key (PKCS#8) and its certificate, as PEM. */
export interface Certificate {
  readonly certificate: string;
  readonly key: string;
}

const DAY_MS = 86_400_000;

// DER, as far as a certificate needs it (RFC 5280, section 4.1; RFC 3279 for the key's algorithm).
const SEQUENCE = 0x30;
// RSA, for Nacos answers an elliptic key with the TLS alert "internal error".
const rsaWithSha256 = sequence(oid("2a864886f70d01010b"), tlv(0x05));
const commonName = oid("550403");
const basicConstraints = oid("551d13");
const subjectAltName = oid("551d11");
/** Of a certificate that is a CA's. */
const mayIssue = extension(basicConstraints, sequence(tlv(0x01, Buffer.from([0xff]))));

/** A CA with a certificate, and what it is called in those that it signs. */
export interface Authority extends Certificate {
  readonly name: string;
}

/** A self-signed certificate for 127.0.0.1 and these URIs, which is its own CA too; good from yesterday until tomorrow. */
export function selfSigned(name: string, uris: readonly string[] = []): Certificate {
  return issue(name, uris);
}

/** A CA of this name, good as long. */
export function certificateAuthority(name: string): Authority {
  return { ...issue(name, []), name };
}

/** A certificate for 127.0.0.1 and these URIs that the CA has signed, for clients and servers; good as long. */
export function signedBy(issuer: Authority, name: string, uris: readonly string[]): Certificate {
  return issue(name, uris, issuer);
}

function issue(name: string, uris: readonly string[], issuer?: Authority): Certificate {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const signingKey: KeyLike = issuer?.key ?? privateKey;
  const content = sequence(
    tlv(0xa0, tlv(0x02, Buffer.from([2]))), // version 3
    tlv(0x02, Buffer.concat([Buffer.from([1]), randomBytes(15)])), // serial number
    rsaWithSha256,
    distinguishedName(issuer?.name ?? name),
    sequence(time(Date.now() - DAY_MS), time(Date.now() + DAY_MS)),
    distinguishedName(name),
    publicKey.export({ type: "spki", format: "der" }),
    tlv(0xa3, sequence(...(issuer ? [] : [mayIssue]), names(uris))),
  );
  const signature = Buffer.concat([Buffer.from([0]), sign("sha256", content, signingKey)]);
  const certificate = sequence(content, rsaWithSha256, tlv(0x03, signature));
  const lines = certificate.toString("base64").replace(/.{64}/g, "$&\n").trim();
  return {
    certificate: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

function distinguishedName(name: string): Buffer {
  return sequence(tlv(0x31, sequence(commonName, tlv(0x0c, Buffer.from(name)))));
}

function names(uris: readonly string[]): Buffer {
  const loopback = tlv(0x87, Buffer.from([127, 0, 0, 1]));
  return extension(
    subjectAltName,
    sequence(loopback, ...uris.map((uri) => tlv(0x86, Buffer.from(uri, "ascii")))),
  );
}

function extension(id: Buffer, value: Buffer): Buffer {
  return sequence(id, tlv(0x04, value));
}

function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replace(/\.\d+|\D/g, "");
  return tlv(0x17, Buffer.from(`${digits.slice(2)}Z`)); // two digits of the year
}

function oid(hex: string): Buffer {
  return tlv(0x06, Buffer.from(hex, "hex"));
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tlv(SEQUENCE, ...parts);
}

/** Tag, length and value. */
function tlv(tag: number, ...parts: readonly Buffer[]): Buffer {
  const value = Buffer.concat(parts);
  if (value.length < 0x80) return Buffer.concat([Buffer.from([tag, value.length]), value]);
  return Buffer.concat([Buffer.from([tag, 0x82, value.length >> 8, value.length & 0xff]), value]);
}
