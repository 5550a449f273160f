/** Which ports are allowed: of the rules that have a port the last one decides. A port that none has is not allowed. */
export type PortRules = readonly PortRule[];

interface PortRule {
  /** 1..65535. */
  readonly from: number;
  /** Not below `from`; the rule has this port as well. */
  readonly to: number;
  readonly isAllowed: boolean;
}

/** Whether a service on this port may have an EnvoyFilter that it does not have yet. */
export function isPortAllowed(port: number, rules: PortRules): boolean {
  return rules.findLast(({ from, to }) => from <= port && port <= to)?.isAllowed ?? false;
}

/** Ports from 1024 on whose clients expect another protocol than Dubbo, by what listens on them as a rule. */
const portsOfOthers = {
  "databases, caches and search": "1433,1521,3306,5432,6379,9042,9200,9300,11211,26379,27017-27019",
  "message brokers": "1883,4222,5671-5672,6650,9092-9094,9876,10911,61616",
  "registries and configuration": "2181,2379-2380,8500,8761,8848,9848-9849",
  "HTTP, gRPC and telemetry":
    "3000,4317-4318,5000,8000,8008,8080-8081,8088,8443,8888,9080,9090-9091,9411,9443,11800,50051",
  "Kubernetes and Istio": "6443,10250,15000-15099",
} as const;

/** The same for people. */
export const portsInWords = Object.entries(portsOfOthers)
  .map(([owner, ports]) => `${owner} (${ports.replaceAll(",", ", ")})`)
  .join("; ");

const defaultPorts = `1024-65535,!${Object.values(portsOfOthers).join().replaceAll(",", ",!")}`;

/**
 * Reads rules such as `default,8080,!9000-9099`: numbers and ranges, `!` before those that are not allowed, and `default`
 * for 1024 and up without the ports of others. @throws Error that says what the text is not.
 */
export function portRules(text: string): PortRules {
  return text.split(",").flatMap((item) => {
    if (item.trim() === "default") return portRules(defaultPorts);
    const [, not, from = "", to = from] = /^\s*(!?)(\d{1,5})(?:-(\d{1,5}))?\s*$/.exec(item) ?? [];
    if (from === "" || Number(from) < 1 || Number(to) > 65_535 || Number(from) > Number(to))
      throw new Error("not a list of ports and ranges such as default,8080,!9000-9099");
    return [{ from: Number(from), to: Number(to), isAllowed: not === "" }];
  });
}
