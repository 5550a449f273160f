import { expect, test } from "vitest";
import { readCredentials } from "../../../../src/translate/read-back/secret.ts";

const metadata = { name: "login" };

test("all six keys become credentials, without the line end that `echo` left", () => {
  const plain = {
    username: "u",
    password: "p w\n",
    token: "t",
    "ca.crt": "CA",
    "tls.crt": "C",
    "tls.key": "K",
  };
  const encoded = Object.entries({ ...plain, x: "y" }).map(([key, value]) => [key, btoa(value)]);
  const credentials = {
    username: "u",
    password: "p w",
    token: "t",
    caCert: "CA",
    clientCert: "C",
    clientKey: "K",
  };
  expect(readCredentials({ metadata, data: Object.fromEntries(encoded) as unknown })).toEqual({
    credentials,
  });
  expect(readCredentials({ metadata, data: { token: btoa("old") }, stringData: plain })).toEqual({
    credentials,
  });
});

test.each([
  [{}, "has none of the keys username, password, token, ca.crt, tls.crt, tls.key"],
  [{ data: null, stringData: null }, "has none of the keys"],
  [{ data: "hidden", stringData: ["hidden"] }, "has none of the keys"],
  [{ stringData: { other: "hidden" } }, "has none of the keys"],
  [{ stringData: { username: "", token: "\n" } }, "has none of the keys"],
  [{ stringData: { username: "", password: "hidden" } }, "has the key password but not username"],
  [{ stringData: { password: "hidden" } }, "has the key password but not username"],
  [{ stringData: { "tls.crt": "hidden", token: "hidden" } }, "has the key tls.crt but not tls.key"],
  [{ data: { token: 7 } }, "has a value that is not a text at token"],
  [{ stringData: { token: ["hidden"] } }, "has a value that is not a text at token"],
])("one that is not whole is a problem that names keys, never values: %j", (content, problem) => {
  expect(readCredentials({ metadata, ...content })).toEqual({
    problem: expect.stringContaining(problem) as string,
  });
});

test.each(["kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"])(
  "one of type %s is the cluster's own and goes to no registry (I15)",
  (type) => {
    expect(readCredentials({ metadata, type, stringData: { token: "hidden" } })).toEqual({
      problem: `is of type ${type}, whose content no registry may get; copy what the registry needs into a Secret of type Opaque`,
    });
  },
);

test.each([undefined, "Opaque", "kubernetes.io/basic-auth", "kubernetes.io/tls"])(
  "one of type %s may have credentials",
  (type) => {
    expect(readCredentials({ metadata, type, stringData: { token: "t" } })).toEqual({
      credentials: { token: "t" },
    });
  },
);
