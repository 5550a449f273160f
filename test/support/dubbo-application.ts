/** Application-level registrations as Dubbo writes them, with what a test varies. */

/** One process. */
export interface TestProcess {
  readonly address: string;
  readonly port: number;
  readonly protocol?: string;
  readonly revision: string;
  /** Default: remote. */
  readonly storage?: "local" | "remote";
}

/** The metadata of an instance, the same in every registry. Source: the recordings. */
export function instanceMetadata(process: TestProcess): Record<string, string> {
  const { port, protocol = "dubbo", revision, storage = "remote" } = process;
  return {
    "dubbo.endpoints": JSON.stringify([{ port, protocol }]),
    "dubbo.metadata.revision": revision,
    "dubbo.metadata.storage-type": storage,
    "meta-v": "1.0.0",
    timestamp: "1795251498374",
  };
}

/** The data of a node below `/services/<application>`. Source: the recordings. */
export function instanceNode(application: string, process: TestProcess): string {
  const address = process.address.includes(":") ? `[${process.address}]` : process.address;
  const id = `${address}:${process.port}`;
  const type = "org.apache.dubbo.registry.zookeeper.ZookeeperInstance";
  const payload = { "@class": type, id, name: application, metadata: instanceMetadata(process) };
  return JSON.stringify({
    name: application,
    id,
    address,
    port: process.port,
    sslPort: null,
    payload,
    registrationTimeUTC: 1795251499001,
    serviceType: "DYNAMIC",
    uriSpec: null,
  });
}

/** One service of a MetadataInfo. */
export interface TestService {
  readonly name: string;
  readonly version?: string;
  readonly group?: string;
  readonly protocol?: string;
  readonly port?: number;
  readonly params?: Readonly<Record<string, unknown>>;
}

/** A MetadataInfo as Java writes it. Source: the recordings. */
export function metadataInfo(app: string, revision: string, services: readonly TestService[]): string {
  const entries = services.map(({ protocol = "dubbo", params = {}, ...service }) => {
    const { name, version, group } = service;
    const key = `${group ? `${group}/` : ""}${name}${version ? `:${version}` : ""}:${protocol}`;
    const own = { side: "provider", interface: name, application: app, ...(version && { version }) };
    return [key, { ...service, path: name, protocol, params: { ...own, ...params } }];
  });
  return JSON.stringify({ app, revision, services: Object.fromEntries(entries) });
}
