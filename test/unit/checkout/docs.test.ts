import { existsSync, globSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import { problemCodes } from "../../../src/model/problems.ts";
import { reasons } from "../../../src/model/reasons.ts";
import { registries } from "../../../src/registries/index.ts";
import { istioVersions } from "../../bed/istio-crds.ts";
import { MAX_MINORS } from "../../bed/kube-binaries.ts";
import { versions } from "../../bed/versions.ts";
import {
  blocksOf,
  brokenLinks,
  checkout,
  codesOf,
  documents,
  linesOf,
  rowsOf,
  sectionOf,
  testsNamedIn,
  textOf,
} from "../../support/markdown.ts";

const readme = textOf("README.md");
const operations = textOf("docs/operations.md");
/** Written by `make docs`, whose words are those of the code. */
const generated = ["docs/configuration.md", "docs/status.md"];
/** An accepted decision is not edited: it keeps its width and the file names of its day. */
const isDecision = (path: string) => path.startsWith("docs/adr/");

describe("links", () => {
  it.each(documents)("of %s lead to files and headings that exist", (path) => {
    expect(brokenLinks(path)).toEqual([]);
  });

  it("that lead nowhere are found", () => {
    const text =
      "# A title\n[1](gone.md)\n[2](docs/adr)\n```\n[3](gone.md)\n```\n[4](#a-title) [5](#b) [6](https://x.y)\n";
    expect(brokenLinks("x.md", text)).toEqual(["2: gone.md", "7: #b"]);
  });
});

describe("the index, docs/README.md", () => {
  const pages = documents.filter((path) => path.startsWith("docs/") && !isDecision(path));

  it("leads to every page", () => {
    const linked = linesOf(textOf("docs/README.md")).flatMap(({ line }) =>
      [...line.matchAll(/\]\(([^)#\s]+)/g)].map(([, target = ""]) => `docs/${target}`),
    );
    expect(pages.filter((path) => path !== "docs/README.md" && !linked.includes(path))).toEqual([]);
  });

  it.each(pages)("leads to pages that say first whom they are for, and what for: %s", (path) => {
    const [, first = ""] = textOf(path)
      .split("\n\n")
      .filter((paragraph) => !paragraph.startsWith("<!--"));
    expect(first.replaceAll("\n", " ")).toMatch(/^For [^.]+\. After reading it you can [^.]+\.$/);
  });
});

describe("the words of a status", () => {
  it("that are problem codes are all explained in operations.md, and no others", () => {
    const explained = rowsOf(sectionOf(operations, "## Problems")).map(
      ([code = ""]) => codesOf(code)[0] ?? "",
    );
    expect(explained.toSorted()).toEqual(Object.keys(problemCodes).toSorted());
  });

  it("that are reasons are all explained in operations.md, and no others", () => {
    const explained = rowsOf(sectionOf(operations, "## The status says X")).flatMap(([cell = ""]) =>
      codesOf(cell),
    );
    const all = Object.values(reasons).flatMap((byStatus) => Object.values(byStatus).flatMap(Object.keys));
    expect(explained.toSorted()).toEqual([...new Set(all)].toSorted());
  });
});

it("the settling times in operations.md are those of the code", () => {
  const rows = rowsOf(sectionOf(operations, "### How long settling takes"));
  const seconds = (ms: number) => `${ms / 1000} s`;
  expect(rows).toEqual(
    Object.entries(registries).map(([type, { settleMs, settleAfterLossMs }]) => [
      `\`${type}\``,
      seconds(settleMs),
      seconds(settleAfterLossMs),
    ]),
  );
});

describe("the versions that README calls tested", () => {
  /** The version of an artifact, as a pom of the test bed has it. */
  const maven = (module: string, artifact: string): string =>
    new RegExp(`<artifactId>${artifact}</artifactId>\\s*<version>([\\d.]+)`).exec(
      textOf(`test/bed/java/${module}/pom.xml`),
    )?.[1] ?? "";
  const property = (module: string, name: string): string =>
    new RegExp(`<${name}>([\\d.]+)`).exec(textOf(`test/bed/java/${module}/pom.xml`))?.[1] ?? "";
  const go = (module: string, name: string): string =>
    new RegExp(`${name} v([\\d.]+)`).exec(textOf(`test/bed/${module}/go.mod`))?.[1] ?? "";

  const springCloud = "spring-cloud-dependencies";
  const pinned: Readonly<Record<string, readonly string[]>> = {
    Kubernetes: [versions.kubernetes],
    Istio: istioVersions,
    ZooKeeper: ["zookeeper34", "zookeeper38", "zookeeper"].map((module) => maven(module, "zookeeper")),
    Nacos: ["nacos2", "nacos3"].map((module) => property(module, "nacos.version")),
    Eureka: [maven("eureka", springCloud)],
    Consul: [go("consul", "github.com/hashicorp/consul")],
    Dubbo: [
      property("dubbo", "dubbo.version"),
      maven("dubbo3", "dubbo"),
      go("dubbo-go", "dubbo.apache.org/dubbo-go/v3"),
    ],
    "Spring Cloud": [
      maven("spring-eureka", springCloud),
      maven("spring-nacos", "spring-cloud-alibaba-dependencies"),
    ],
  };
  const versionsIn = (text: string) => text.match(/\d+\.\d+\.\d+(\.\d+)?/g) ?? [];
  const rows = rowsOf(sectionOf(readme, "## What it works with"));

  it.each(Object.entries(pinned))("of %s are those of the test bed", (name, expected) => {
    const tested = rows.find(([first]) => first === name)?.[1] ?? "";
    expect(versionsIn(tested)).toEqual(expected);
  });

  it("of Istio are those of operations.md, too", () => {
    const releases = rowsOf(sectionOf(operations, "## Istio versions")).map(([release = ""]) => release);
    expect(versionsIn(releases.join(" "))).toEqual(istioVersions);
  });

  it("are all there is in the table", () => {
    expect(rows.map(([name]) => name)).toEqual(Object.keys(pinned));
  });

  it("of ZooKeeper are the ends of the range that other documents name", () => {
    const minors = (pinned.ZooKeeper ?? []).map((version) => version.replace(/\.\d+$/, ""));
    const expected = `ZooKeeper ${minors[0]} to ${minors.at(-1)}`;
    const ranges = documents.flatMap(
      (path) =>
        textOf(path)
          .replace(/\s+/g, " ")
          .match(/ZooKeeper \d[\d.]*\d (to|or) [\w.]*\w/g) ?? [],
    );
    expect(new Set(ranges)).toEqual(new Set([expected]));
  });

  it("leave room for other envtest binaries, as far as the bed takes them", () => {
    const minor = Number(versions.kubernetes.split(".")[1]);
    expect(readme.replace(/\s+/g, " ")).toContain(
      `(Kubernetes 1.${minor - MAX_MINORS} to 1.${minor + MAX_MINORS})`,
    );
  });
});

describe("the objects in dubbo.md", () => {
  const story = "test/golden/stories/manual-greeting-service";
  const objects = (text: string): unknown[] => parseAllDocuments(text).map((one) => one.toJS());
  it.each(["03-service-entries.yaml", "04-envoy-filters.yaml"])(
    "are those of the golden story, %s",
    (file) => {
      const shown = blocksOf(textOf("docs/dubbo.md"), "yaml").flatMap(objects);
      for (const object of objects(textOf(`${story}/${file}`))) expect(shown).toContainEqual(object);
    },
  );
});

it("the names in the glossary are in the code", () => {
  const source = globSync("src/**/*.ts", { cwd: checkout }).map(textOf).join("\n");
  const names = rowsOf(textOf("docs/glossary.md")).flatMap(([, , names = ""]) => codesOf(names));
  const words = names.filter((name) => !name.includes("/")).flatMap((name) => name.split("."));
  expect(words.filter((word) => !source.includes(word))).toEqual([]);
});

describe("the tests that a document names for what it promises", () => {
  it.each([
    ["docs/testing.md", 40],
    ["docs/security.md", 20],
    ["docs/guarantees.md", 20],
  ])("are there: %s", (path, least) => {
    const named = testsNamedIn(textOf(path));
    expect(named.length).toBeGreaterThan(least);
    expect(named.filter(({ file, title }) => !textOf(file).includes(title))).toEqual([]);
  });

  it.each([
    ["docs/security.md", "## Attacks, and what stops each"],
    ["docs/guarantees.md", "## What you can rely on"],
  ])("are named in every row of %s", (path, heading) => {
    const rows = rowsOf(sectionOf(textOf(path), heading));
    expect(rows.length).toBeGreaterThan(10);
    expect(rows.filter((row) => testsNamedIn(row.at(-1) ?? "").length === 0)).toEqual([]);
  });
});

describe("a document", () => {
  it.each(documents.filter((path) => !isDecision(path) && !generated.includes(path)))(
    "like %s has lines of at most 130 characters, but for tables and code",
    (path) => {
      const long = linesOf(textOf(path)).filter(({ line }) => !line.startsWith("|") && line.length > 130);
      expect(long).toEqual([]);
    },
  );

  it.each(documents.filter((path) => !isDecision(path)))("like %s names files that exist", (path) => {
    const named = linesOf(textOf(path)).flatMap(({ line }) => codesOf(line));
    const paths = named.filter((code) => /^(src|test|scripts|docs|config|crds|bin)\/[\w./-]+$/.test(code));
    expect(paths.filter((one) => !existsSync(join(checkout, one)))).toEqual([]);
  });

  it("that is README is read in a minute", () => {
    expect(readme.trimEnd().split("\n").length).toBeLessThanOrEqual(150);
  });
});
