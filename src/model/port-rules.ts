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
