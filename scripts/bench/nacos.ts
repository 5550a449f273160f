import { createNacosAdapter } from "../../src/registries/nacos/adapter.ts";
import { startNacos } from "../../test/bed/nacos.ts";
import { type NacosInstance, startNacosAgent } from "../../test/bed/nacos-agent.ts";
import type { NacosVersion } from "../../test/bed/nacos-api.ts";
import { freePort } from "../../test/support/free-port.ts";
import { deps } from "./cluster.ts";
import { type BenchInstance, type BenchSize, benchRegistry } from "./registry.ts";
import type { Section } from "./table.ts";
import { startWireTap } from "./wire-tap.ts";

const group = "DEFAULT_GROUP";

const nacosNameOf = (service: string): string => `providers:${service}:1.0.0:`;

/** A stand-alone server with Dubbo services, which Nacos' own client registers. */
export async function benchNacos(version: NacosVersion, size: BenchSize): Promise<Section> {
  await using nacos = await startNacos({ version });
  await using agent = await startNacosAgent({ address: nacos.address });
  const port = await freePort([1000]);
  await using tap = await startWireTap(nacos.port + 1000, /[A-Z][A-Za-z]+Request\b/g, port + 1000);
  const registry = { type: "nacos", namespace: "", groups: [group] } as const;
  const tls = { enabled: false, insecureSkipVerify: false };
  return await benchRegistry(
    {
      name: `Nacos ${version}`,
      registrant: "the Java client",
      spec: { type: "nacos", address: `127.0.0.1:${port}`, nacos: { groups: [group] } },
      tap,
      adapter: () =>
        createNacosAdapter(
          { registry: { ...registry, address: nacos.address, tls }, credentials: {}, wants: () => true },
          deps,
        ),
      register: (service, instances) =>
        agent.register(
          nacosNameOf(service),
          group,
          instances.map((one) => providerOf(service, one)),
        ),
      idOf: (service) => `${group}@@${service}`,
      hostOf: (service, namespace) => `${service.toLowerCase()}-1.0.0.${namespace}`,
    },
    size,
  );
}

function providerOf(service: string, at: BenchInstance): NacosInstance {
  const metadata = {
    application: "bench",
    category: "providers",
    deprecated: "false",
    dubbo: "2.0.2",
    dynamic: "true",
    generic: "false",
    interface: service,
    methods: "sayHello",
    path: service,
    protocol: "dubbo",
    release: "2.7.23",
    revision: "1.0.0",
    side: "provider",
    timestamp: "1680000000000",
    version: "1.0.0",
  };
  return { ...at, metadata };
}
