import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { version } from "../../../src/cli/version.ts";
import { settings } from "../../../src/config.ts";
import { checkout, textOf } from "../../support/markdown.ts";

/** The part of values.schema.json that other files have, too. */
interface Schema {
  readonly properties: {
    readonly settings: { readonly properties: object };
    readonly components: { readonly properties: object };
  };
}
interface Chart {
  readonly version: string;
  readonly appVersion: string;
}
interface Values {
  readonly components: Readonly<Record<string, false>>;
}

const schema = JSON.parse(textOf("charts/registryhub/values.schema.json")) as Schema;
const chart = parse(textOf("charts/registryhub/Chart.yaml")) as Chart;
const values = parse(textOf("charts/registryhub/values.yaml")) as Values;

/** What the chart sets by itself, or by a value of its own. */
const owned = [
  "kubeconfig",
  "hub-selector",
  "root-namespace",
  "http-bind-address",
  "leader-elect",
  "leader-elect-namespace",
];
/** Components that are values of their own: rootNamespace and lanes. */
const otherwise = ["istio-system", "lanes"];

describe("the Helm chart", () => {
  it("has the program's version", () => {
    expect(chart).toMatchObject({ version, appVersion: version });
  });

  it("takes the settings that the program has", () => {
    const flags = settings().map(({ usage }) => usage.replace(/^--(\S+).*/, "$1"));
    expect(Object.keys(schema.properties.settings.properties)).toEqual(
      flags.filter((flag) => !owned.includes(flag)),
    );
    expect(owned.filter((flag) => !flags.includes(flag))).toEqual([]);
  });

  it("takes the components that config/ has, and each is off", () => {
    const folders = readdirSync(join(checkout, "config/components")).filter(
      (name) => !otherwise.includes(name),
    );
    expect(Object.keys(schema.properties.components.properties)).toEqual(folders);
    expect(values.components).toEqual(Object.fromEntries(folders.map((name) => [name, false])));
  });
});
