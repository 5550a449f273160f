import { gzipSync } from "node:zlib";

const mib = 1_024 * 1_024;

/** `head`, then `item` separated by commas until the whole has about this many MiB, then `tail`; in gzip. */
export function largeBody(
  sizeMiB: number,
  head: string,
  item: string | ((at: number) => string),
  tail: string,
): Buffer {
  const parts = [head];
  let size = head.length + tail.length;
  for (let at = 0; size < sizeMiB * mib; at++) {
    const part = `${at === 0 ? "" : ","}${typeof item === "string" ? item : item(at)}`;
    size += part.length;
    parts.push(part);
  }
  return gzipSync(Buffer.from(`${parts.join("")}${tail}`), { level: 1 });
}

/** As Spring Cloud's server lists an instance: 900 bytes. */
const eurekaInstance = (name: string, address: string): string =>
  JSON.stringify({
    instanceId: `${address}:${name}:8080`,
    hostName: address,
    app: name,
    ipAddr: address,
    status: "UP",
    overriddenStatus: "UNKNOWN",
    port: { $: 8080, "@enabled": "true" },
    securePort: { $: 443, "@enabled": "false" },
    countryId: 1,
    dataCenterInfo: {
      "@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo",
      name: "MyOwn",
    },
    leaseInfo: { renewalIntervalInSecs: 30, durationInSecs: 90, lastRenewalTimestamp: 1_795_251_268_724 },
    metadata: { "management.port": "8080", version: "v1", zone: "a" },
    homePageUrl: `http://${address}:8080/`,
    statusPageUrl: `http://${address}:8080/actuator/info`,
    healthCheckUrl: `http://${address}:8080/actuator/health`,
    vipAddress: name,
    secureVipAddress: name,
    isCoordinatingDiscoveryServer: "false",
    lastUpdatedTimestamp: "1795251268724",
    lastDirtyTimestamp: "1795251268724",
    actionType: "ADDED",
  });

/** An answer of `/apps` as a large registry gives it, ten instances in each application. */
export function eurekaList(sizeMiB: number): Buffer {
  const application = (at: number): string => {
    const name = `ORDERS-${at}`;
    const address = (one: number): string => `10.42.${at % 250}.${one + 1}`;
    const instances = Array.from({ length: 10 }, (_, one) => eurekaInstance(name, address(one)));
    return `{"name":"${name}","instance":[${instances.join(",")}]}`;
  };
  return largeBody(sizeMiB, '{"applications":{"application":[', application, "]}}");
}

/** The same of one application whose instances are all this. */
export const eurekaListOf = (sizeMiB: number, instance: string | ((at: number) => string)): Buffer =>
  largeBody(sizeMiB, '{"applications":{"application":[{"name":"ORDERS","instance":[', instance, "]}]}}");

/** 1 GiB of blanks in 1 MB. */
export function gzipBomb(): Buffer {
  const member = gzipSync(Buffer.alloc(64 * mib, " "));
  return Buffer.concat(Array.from({ length: 16 }, () => member));
}
