/** What a server says of its own process. */
export interface ServerStatus {
  /** Names the process: its instance id and when it was started. Another process, another name. */
  readonly process: string;
  /** Rounded down. */
  readonly uptimeMinutes: number;
}

/** `03:07`, `1 day 03:07`, `12 days 03:07`. Source: Netflix/eureka, StatusInfo.getUpTime. */
const uptimePattern = /<server-uptime>(?:(\d+) days? )?(\d+):(\d+)<\/server-uptime>/;

/** Reads what `/status` answers; undefined = it holds no uptime, and no moment at which the process started. */
export function parseStatus(xml: string): ServerStatus | undefined {
  const uptime = uptimePattern.exec(xml);
  const startedAt = textOf(xml, "lastUpdatedTimestamp"); // of the server's own instance, which it makes when it starts
  if (uptime === null || startedAt === undefined) return undefined;
  const [days = 0, hours = 0, minutes = 0] = uptime.slice(1).map((digits) => Number(digits ?? 0));
  return {
    process: `${textOf(xml, "instanceId")} ${startedAt}`,
    uptimeMinutes: (days * 24 + hours) * 60 + minutes,
  };
}

const textOf = (xml: string, element: string): string | undefined =>
  new RegExp(`<${element}>([^<]*)</${element}>`).exec(xml)?.[1];
