import { createConsulAdapter } from "../../src/registries/consul/adapter.ts";
import { startConsul } from "../../test/bed/consul.ts";
import { consulRegistrant } from "../../test/support/consul-registrant.ts";
import { deps } from "./cluster.ts";
import { type BenchSize, benchRegistry } from "./registry.ts";
import type { Section } from "./table.ts";
import { startWireTap } from "./wire-tap.ts";

/** A server without rights, over plain HTTP; its catalog is written in transactions. */
export async function benchConsul(size: BenchSize): Promise<Section> {
  await using consul = await startConsul({
    // Two readers are more than a server allows one address by default; the operator's own connections are counted.
    settings: { limits: { http_max_conns_per_client: 1_000 } },
  });
  const registrant = consulRegistrant(consul);
  await using tap = await startWireTap(consul.port, /GET \/v1\/[a-z]+\/[a-z]+/g);
  const tls = { enabled: false, insecureSkipVerify: false };
  const registry = { type: "consul", datacenter: "", tags: [], includeWarning: false, tls } as const;
  return await benchRegistry(
    {
      name: "Consul 1.22.3",
      registrant: "the npm client",
      spec: { type: "consul", address: `http://127.0.0.1:${tap.port}` },
      tap,
      adapter: () =>
        createConsulAdapter(
          { registry: { ...registry, address: consul.url }, credentials: {}, wants: () => true },
          deps,
        ),
      register: (service, instances) =>
        registrant.register(instances.map(({ ip: address, port }) => ({ service, address, port }))),
      idOf: (service) => service,
      hostOf: (service, namespace) => `${service.toLowerCase()}.${namespace}`,
    },
    size,
  );
}
