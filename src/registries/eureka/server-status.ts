/** A server's report about its own process. */
export interface ServerStatus {
  /** Identifies the process: its instance id and its start time. */
  readonly process: string;
  /** Rounded down. */
  readonly uptimeMinutes: number;
}

/** `03:07`, `1 day 03:07`, `12 days 03:07`. Source: Netflix/eureka, StatusInfo.getUpTime. */
const uptimePattern = /<server-uptime>(?:(\d+) days? )?(\d+):(\d+)<\/server-uptime>/;

/** Reads the answer of `/status`; undefined = it lacks the uptime or the start time of the process. */
export function parseStatus(xml: string): ServerStatus | undefined {
  const uptime = uptimePattern.exec(xml);
  const startedAt = textOf(xml, "lastUpdatedTimestamp"); // of the server's own instance, created at its start
  if (uptime === null || startedAt === undefined) return undefined;
  const [days = 0, hours = 0, minutes = 0] = uptime.slice(1).map((digits) => Number(digits ?? 0));
  return {
    process: `${textOf(xml, "instanceId")} ${startedAt}`,
    uptimeMinutes: (days * 24 + hours) * 60 + minutes,
  };
}

const textOf = (xml: string, element: string): string | undefined =>
  new RegExp(`<${element}>([^<]*)</${element}>`).exec(xml)?.[1];
