import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { envoyBinary } from "../bed/envoy-binary.ts";

const script = fileURLToPath(new URL("../../contrib/envoy-dubbo-crash/reproduce.py", import.meta.url));

test("contrib/envoy-dubbo-crash shows what docs/operations.md says of Envoy's Dubbo filter", async () => {
  const { stdout } = await promisify(execFile)("python3", [script, await envoyBinary()]);
  expect(stdout).toContain("answers (status, id): [(80, 1), (80, 2), (80, 3)]");
  expect(stdout).toContain("dubbo.crash.request_active: 3");
  expect(stdout).toContain("Envoy died (signal");
});
