import { archiveFlags } from "./class-archive.ts";
import { type ConsumerProcess, startConsumer } from "./consumer-process.ts";
import { classPath, javaFlags, systemProperties } from "./java.ts";

/** How a consumer is started. */
export interface HttpConsumerOptions {
  /** A file like /etc/hosts, read at each look-up, which alone resolves names then. Default: as the system does. */
  readonly hostsFile?: string;
  /** To connect, and to read. Default 3000. */
  readonly timeoutMs?: number;
}

/** A request. An answer that is no 2xx is a failure. */
export interface HttpCall {
  readonly url: string;
  /** Default GET, which the client itself sends again over another connection when a kept one turns out to be closed. */
  readonly method?: "GET" | "POST";
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether its connection is kept for the next one. Default: yes. */
  readonly keepAlive?: boolean;
}

/** A Spring Boot application that calls fixed URLs by RestTemplate. */
export type HttpConsumer = ConsumerProcess<HttpCall>;

// The smallest class path with Spring's web client; what it has of Consul is not used.
const MODULE = "spring-consul";

/** Starts a real Spring consumer; it connects when first asked to call. */
export async function startHttpConsumer(options: HttpConsumerOptions = {}): Promise<HttpConsumer> {
  const { hostsFile, timeoutMs = 3_000 } = options;
  const archive = await archiveFlags(MODULE);
  const classes = await classPath(MODULE);
  return startConsumer({
    name: "Spring consumer",
    command: "java",
    args: (folder) => [
      ...javaFlags,
      ...archive,
      ...systemProperties({
        "user.home": folder,
        "java.io.tmpdir": folder,
        "logging.level.root": "warn",
        "spring.main.banner-mode": "off",
        "jdk.httpclient.allowRestrictedHeaders": "connection,host",
        "jdk.net.hosts.file": hostsFile,
        "bed.timeout": String(timeoutMs),
      }),
      "-cp",
      classes,
      "registryhub.bed.SpringConsumer",
    ],
    describe: ({ url, method = "GET", headers = {}, keepAlive = true }) => ({
      url,
      method,
      headers: keepAlive ? headers : { ...headers, Connection: "close" },
    }),
  });
}
