import { describe, expect, it } from "vitest";
import { ConfigError, readConfig, settings } from "../../src/config.ts";
import { isPortAllowed } from "../../src/model/port-rules.ts";

function problemsOf(
  flags: Record<string, string | boolean>,
  env: Record<string, string> = {},
): readonly string[] {
  try {
    readConfig(flags, env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

describe("readConfig", () => {
  it("has a default for everything", () => {
    expect(readConfig({}, {})).toEqual({
      kubeconfig: undefined,
      defaultKubeconfigs: "",
      watchNamespaces: [],
      hubSelector: { text: "", requirements: [] },
      rootNamespace: "servicemesh",
      vipCidr: "240.241.0.0/16",
      httpBindAddress: { host: "127.0.0.1", port: 0 },
      pagePort: 0,
      leaderElect: false,
      leaderElectNamespace: "servicemesh",
      kubeApiConcurrency: 16,
      emptyGraceMs: 600_000,
      shrinkHoldMs: 300_000,
      resetHoldMs: 86_400_000,
      settleFactor: 1,
      maxServicesPerHub: 20_000,
      allowCrossNamespace: true,
      denyTargets: [],
      foreignServiceEntries: false,
      inboundFilters: false,
      dubboPorts: expect.any(Array) as unknown,
      outlierDetection: true,
      dubboRules: true,
      maxAnswerBytes: 67_108_864,
      allowRegistryCidrs: [],
      logLevel: "info",
    });
  });

  it("believes the flag before the variable, and the variable before the default", () => {
    const env = { REGISTRYHUB_EMPTY_GRACE: "45s", REGISTRYHUB_SHRINK_HOLD: "7m", REGISTRYHUB_RESET_HOLD: "" };
    const { emptyGraceMs, shrinkHoldMs, resetHoldMs } = readConfig({ emptyGrace: "200ms" }, env);
    expect([emptyGraceMs, shrinkHoldMs, resetHoldMs]).toEqual([200, 420_000, 86_400_000]);
  });

  it("has $KUBECONFIG, or else what is in the home, for those who name no kubeconfig", () => {
    const env = { HOME: "/home/me", KUBECONFIG: "/a:/b", REGISTRYHUB_KUBECONFIG: "/c" };
    expect(readConfig({}, env)).toMatchObject({ kubeconfig: "/c", defaultKubeconfigs: "/a:/b" });
    expect(readConfig({}, { HOME: "/home/me" }).defaultKubeconfigs).toBe("/home/me/.kube/config");
  });

  it("takes a switch that stands alone, or with a value", () => {
    expect(readConfig({ inboundFilters: true }, {}).inboundFilters).toBe(true);
    expect(readConfig({ allowCrossNamespace: "false" }, {}).allowCrossNamespace).toBe(false);
  });

  it("names every problem at once, where it is and what would be right", () => {
    const flags = { emptyGrace: "10", inboundFilters: "yes", vipCidr: "240.241.0.1/16" };
    const env = { REGISTRYHUB_LOG_LEVEL: "loud", REGISTRYHUB_EMTPY_GRACE: "10m" };
    expect(problemsOf(flags, env)).toEqual([
      "REGISTRYHUB_EMTPY_GRACE: unknown setting; docs/configuration.md lists all settings",
      "--vip-cidr=240.241.0.1/16: has bits set beyond the prefix; 240.241.0.0/16 has none",
      "--empty-grace=10: not a duration such as 45s, 10m or 24h",
      "--inbound-filters=yes: neither true nor false",
      "REGISTRYHUB_LOG_LEVEL=loud: not one of debug, info, warn, error",
    ]);
  });

  it("reads which hubs the process serves", () => {
    const { hubSelector } = readConfig({ hubSelector: " lane in (gold,silver) " }, {});
    expect(hubSelector).toEqual({
      text: "lane in (gold,silver)",
      requirements: [{ key: "lane", operator: "in", values: ["gold", "silver"] }],
    });
    expect(problemsOf({ hubSelector: "lane in gold" })).toEqual([
      '--hub-selector=lane in gold: "lane in gold" is no condition such as lane=gold, lane!=gold, lane in (gold,silver), lane notin (gold), lane or !lane',
    ]);
  });

  it("refuses a lane whose virtual IPs no other lane accepts", () => {
    const lane = { hubSelector: "lane=gold" };
    expect(problemsOf({ vipCidr: "10.99.0.0/16" })).toEqual([]);
    expect(problemsOf({ ...lane, vipCidr: "240.242.0.0/16" })).toEqual([]);
    expect(problemsOf({ ...lane, vipCidr: "10.99.0.0/16" })).toEqual([
      expect.stringContaining("--vip-cidr=10.99.0.0/16: with --hub-selector it must lie in 240.0.0.0/4"),
    ]);
    expect(problemsOf({ hubSelector: "(", vipCidr: "10" })).toHaveLength(2);
  });

  it.each([
    ["0", "off"],
    [":8080", { port: 8080 }],
    ["0.0.0.0:8080", { host: "0.0.0.0", port: 8080 }],
    ["[::1]:0", { host: "::1", port: 0 }],
  ])("binds %s", (text, address) => {
    expect(readConfig({ httpBindAddress: text }, {}).httpBindAddress).toEqual(address);
  });

  it.each([
    ["httpBindAddress", "8080"],
    ["httpBindAddress", "::1:8080"],
    ["httpBindAddress", ":65536"],
    ["kubeApiConcurrency", "0"],
    ["kubeApiConcurrency", "1.5"],
    ["settleFactor", "0"],
    ["settleFactor", "-1"],
    ["rootNamespace", ""],
    ["rootNamespace", "Istio"],
    ["watchNamespaces", "a,,b"],
    ["vipCidr", "2001:db8::/32"],
    ["vipCidr", "240.241.0.0"],
    ["vipCidr", "240.241.0.0/31"],
    ["shrinkHold", "-5m"],
    ["shrinkHold", "5 m"],
    ["dubboPorts", ""],
    ["dubboPorts", "0"],
    ["dubboPorts", "20880-20879"],
    ["dubboPorts", "20880,65536"],
    ["dubboPorts", "20880,,20881"],
    ["dubboPorts", "dubbo"],
    ["denyTargets", "com,"],
    ["denyTargets", "example.com"],
    ["maxAnswerBytes", "64Mi"],
    ["maxAnswerBytes", "1048576"],
    ["allowRegistryCidrs", "10.0.0.1"],
    ["allowRegistryCidrs", "10.0.0.0/33"],
    ["allowRegistryCidrs", "fd00::/129"],
    ["allowRegistryCidrs", "10.0.0.0/8,"],
    ["allowRegistryCidrs", "registry.example/8"],
  ])("refuses %s=%s", (name, text) => {
    expect(problemsOf({ [name]: text })).toHaveLength(1);
  });

  it.each([
    ["20880", [20_880], [20_879, 20_881]],
    ["20880-20889, 3306", [20_880, 20_889, 3_306], [20_890]],
    ["1-65535,!20880-20881,20881", [1, 65_535, 20_881], [20_880]],
    ["default,8080,!20880", [8_080, 20_881], [20_880, 8_443]],
    [
      "default",
      [1_024, 20_880, 20_881, 20_890, 28_080, 65_535],
      [
        80, 443, 1_023, 2_181, 3_306, 5_432, 6_379, 8_080, 8_443, 8_848, 9_080, 9_092, 11_211, 15_000, 15_099,
        27_017,
      ],
    ],
  ])("allows filters on the ports of %s", (text, allowed, others) => {
    const { dubboPorts } = readConfig({ dubboPorts: text }, {});
    expect(allowed.filter((port) => !isPortAllowed(port, dubboPorts))).toEqual([]);
    expect(others.filter((port) => isPortAllowed(port, dubboPorts))).toEqual([]);
  });

  it("reads ranges of both families", () => {
    const { allowRegistryCidrs } = readConfig({ allowRegistryCidrs: "10.0.0.0/8, fd00::/8" }, {});
    expect(allowRegistryCidrs).toEqual(["10.0.0.0/8", "fd00::/8"]);
  });

  it("sorts namespaces and drops doubles", () => {
    expect(readConfig({ watchNamespaces: "b, a,b" }, {}).watchNamespaces).toEqual(["a", "b"]);
  });

  it("ignores what Kubernetes sets in every pod beside a Service of that name", () => {
    const env = {
      REGISTRYHUB_SERVICE_HOST: "10.0.0.7",
      REGISTRYHUB_SERVICE_PORT: "8080",
      REGISTRYHUB_SERVICE_PORT_HTTP: "8080",
      REGISTRYHUB_PORT: "tcp://10.0.0.7:8080",
      REGISTRYHUB_PORT_8080_TCP: "tcp://10.0.0.7:8080",
      REGISTRYHUB_PORT_8080_TCP_ADDR: "10.0.0.7",
      REGISTRYHUB_METRICS_SERVICE_HOST: "10.0.0.8",
    };
    expect(problemsOf({}, env)).toEqual([]);
  });
});

describe("settings", () => {
  it("are those of one controller, with the flag as --help prints it", () => {
    const dubbo = settings("dubbo-controller");
    expect(dubbo.map((one) => one.usage)).toContain("--inbound-filters [true|false]");
    expect(dubbo.map((one) => one.env)).not.toContain("REGISTRYHUB_EMPTY_GRACE");
    expect(settings("hub-controller").map((one) => one.usage)).toContain("--empty-grace <duration>");
  });
});
