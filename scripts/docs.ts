/**
 * Writes the documents that are generated from code. `--check` writes nothing and fails when one is stale.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { type Setting, settings } from "../src/config.ts";
import { problemCodes } from "../src/model/problems.ts";
import { reasons } from "../src/model/reasons.ts";

const generated: Readonly<Record<string, () => string>> = {
  "docs/configuration.md": configuration,
  "docs/status.md": status,
};

function configuration(): string {
  return `# Configuration

<!-- Made by \`make docs\` from src/config-options.ts. Do not edit. -->

For those who run the controllers. After reading it you can set each of them, by flag or environment.

The settings of one registry are fields of its RegistryHub (\`kubectl explain registryhub.spec\`). This page lists the settings of
the controllers. Each setting is a flag and an environment variable. The flag wins, and an empty variable counts as not set. A
controller refuses to start with an unknown setting or an unreadable value, and names all of them at once.

Durations are written \`45s\`, \`10m\` or \`24h\`. A boolean flag may stand alone: \`--inbound-filters\` means
\`--inbound-filters=true\`.

${settings().map(setting).join("\n")}`;
}

function setting({ usage, env, default: value, help, commands }: Setting): string {
  return `## \`${usage}\`

${help}

| environment | default | read by |
|---|---|---|
| \`${env}\` | ${value === "" ? "empty" : `\`${value}\``} | ${commands.join(", ")} |
`;
}

function status(): string {
  const conditions = Object.entries(reasons).flatMap(([type, byStatus]) =>
    Object.entries(byStatus).flatMap(([value, sentences]: [string, Readonly<Record<string, string>>]) =>
      Object.entries(sentences).map(([reason, sentence]) => row(type, value, reason, sentence)),
    ),
  );
  const problems = Object.entries(problemCodes).map(([code, sentence]) => row(code, sentence));
  return `# Status

<!-- Made by \`make docs\` from src/model/reasons.ts and src/model/problems.ts. Do not edit. -->

For those who run hubs. After reading it you can say what each word of a hub's status means.

\`kubectl explain registryhub.status\` describes the fields. This page lists the reasons and codes in them.

## Conditions

When Ready is not True, it repeats the reason of the first of RegistrySynced and Applied that is not True.

| condition | status | reason | meaning |
|---|---|---|---|
${conditions.join("\n")}

## Problems

| code | meaning |
|---|---|
${problems.join("\n")}
`;
}

const row = (...cells: readonly string[]): string => `| ${cells.join(" | ")} |`;

const root = new URL("..", import.meta.url);
const isCheck = process.argv.includes("--check");
for (const [path, text] of Object.entries(generated)) {
  const file = new URL(path, root);
  if (!isCheck) writeFileSync(file, text());
  else if (!existsSync(file) || readFileSync(file, "utf8") !== text()) {
    console.error(`${path} is stale: run \`make docs\` and commit the result`);
    process.exitCode = 1;
  }
}
