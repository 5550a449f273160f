import { describe, expect, test } from "vitest";
import { PreviewFileError, readPreviewFile } from "../../../src/cli/preview-file.ts";

const hub = `
apiVersion: ecns.easystack.cn/v1alpha1
kind: RegistryHub
metadata: { name: sample, namespace: springconsul }
spec: { type: consul, address: "http://consul:8500", generate_to: springconsul }
`;
const withSecret = hub.replace("spec: {", "spec: { secretRef: { name: login },");
const secret = `
apiVersion: v1
kind: Secret
metadata: { name: login }
stringData: { token: "of-the-test" }
`;

describe("a preview's file", () => {
  test("holds one hub, with the defaults of the API", () => {
    const { hub: read, credentials } = readPreviewFile(hub);
    expect(read).toMatchObject({
      key: "springconsul/sample",
      policy: "sync",
      registry: { type: "consul", tags: [] },
    });
    expect(credentials).toEqual({});
  });

  test("may be JSON, a List, and without a namespace", () => {
    const spec = { type: "eureka", address: "http://eureka:8761/eureka", generate_to: "a" };
    const items = [{ kind: "RegistryHub", metadata: { name: "sample" }, spec }];
    expect(readPreviewFile(JSON.stringify({ kind: "List", items })).hub.key).toBe("default/sample");
  });

  test("holds the hub's Secret, its values plain or in base64", () => {
    expect(readPreviewFile(`${withSecret}---${secret}`).credentials).toEqual({ token: "of-the-test" });
    const encoded = secret.replace("stringData", "data").replace("of-the-test", btoa("of-the-test\n"));
    expect(readPreviewFile(`${encoded}---${withSecret}`).credentials).toEqual({ token: "of-the-test" });
  });

  test.each([
    ["", "the file has no RegistryHub"],
    [secret, "the file has no RegistryHub"],
    [`${hub}---${hub}`, "the file has several RegistryHubs; preview one at a time"],
    [hub.replace("name: sample, ", ""), "metadata.name is missing"],
    [hub.replace(/spec:.*/, ""), "spec.type is missing"],
    [hub.replace(/address: \S+ /, ""), "spec.address is missing"],
    [
      hub.replace("type: consul", "type: etcd"),
      'spec.type "etcd" is not one of zookeeper, nacos, eureka, consul',
    ],
    [withSecret, "the hub's Secret login is not in the file: add it as another YAML document"],
    [`${withSecret}---${secret.replace("token", "pass")}`, "Secret login has none of the keys"],
    ["a: [", "the file is not YAML"],
  ])("that cannot be used says why: %j", (text, message) => {
    expect(() => readPreviewFile(text)).toThrow(PreviewFileError);
    expect(() => readPreviewFile(text)).toThrow(message);
  });
});
