import { expect, test } from "vitest";
import { attackLines } from "../../tenancy/attack-table.ts";

const security = `# Security

## Attacks, and what stops each

| attack | what stops it | test |
|---|---|---|
| Take \`a\` | policy | \`test/a.test.ts\` › $what is refused (now); \`test/b.test.ts\` › b |
| Take b | operator | \`test/a.test.ts\` › was renamed |
`;

test("the table of attacks says what became of each test that it names", () => {
  const ran = (title: string, outcome: "passed" | "failed") => ({ file: "test/a.test.ts", title, outcome });
  expect(
    attackLines(security, [
      ran("taking > a label is refused (now)", "passed"),
      ran("taking > an address is refused (now)", "failed"),
      ran("another", "failed"),
    ]),
  ).toEqual([
    "Take a: policy",
    "  ✓ passed: test/a.test.ts › taking > a label is refused (now)",
    "  ✗ failed: test/a.test.ts › taking > an address is refused (now)",
    "    elsewhere: test/b.test.ts › b",
    "Take b: operator",
    "  ? not found: test/a.test.ts › was renamed",
  ]);
});
