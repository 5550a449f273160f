import type { Clock } from "../../../src/runtime/deps.ts";

/** An instance, with what it says of itself; the rest is as Nacos fills it in. */
export interface FakeInstance {
  readonly ip: string;
  readonly port: number;
  readonly weight?: number;
  readonly healthy?: boolean;
  readonly enabled?: boolean;
  readonly clusterName?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Where a service is; the default is the public namespace and DEFAULT_GROUP. */
export interface Place {
  readonly namespace?: string;
  readonly group?: string;
}

/** The key of a service. */
export interface Key {
  readonly namespace: string;
  readonly group: string;
  readonly name: string;
}

/** Somebody who logs in. `may` says whether he may read `<namespace>:<group>:naming/<service>` or `…:config/<dataId>`. */
export interface FakeUser {
  readonly username: string;
  readonly password: string;
  readonly may?: (resource: string) => boolean;
}

/** How long the server lists a service whose last instance went; measured on 2.3.2 and 3.1.0. */
const emptyMs = 60_000;

export const idOf = ({ namespace, group, name }: Key): string => `${namespace}@@${group}@@${name}`;

/** Everything that a server holds, and who wants to hear of its changes. */
export class FakeData {
  readonly users = new Map<string, FakeUser>();
  readonly #clock: Pick<Clock, "after">;
  readonly #services = new Map<string, { readonly key: Key; readonly hosts: Map<string, FakeInstance> }>();
  readonly #configs = new Map<string, string>();
  /** Names with a protect threshold that is reached. */
  readonly protected = new Set<string>();
  /** Called after each change of a service; `isNew` = nobody knew its name, or it had no instance. */
  changed: (key: Key, isNew: boolean) => void = () => undefined;

  constructor(clock: Pick<Clock, "after">) {
    this.#clock = clock;
  }

  register(key: Key, instances: readonly FakeInstance[]): void {
    const service = this.#services.get(idOf(key)) ?? { key, hosts: new Map() };
    const isNew = service.hosts.size === 0;
    for (const one of instances) service.hosts.set(addressOf(one), one);
    this.#services.set(idOf(key), service);
    this.changed(key, isNew);
  }

  deregister(key: Key, instances: readonly FakeInstance[] | undefined): void {
    const service = this.#services.get(idOf(key));
    if (service === undefined) return;
    for (const one of instances ?? [...service.hosts.values()]) service.hosts.delete(addressOf(one));
    if (service.hosts.size === 0)
      this.#clock.after(emptyMs, () => {
        if (service.hosts.size === 0 && this.#services.get(idOf(key)) === service)
          this.#services.delete(idOf(key));
      });
    this.changed(key, false);
  }

  /** Loses every service; configurations and users are in a database. */
  lose(): void {
    this.#services.clear();
  }

  setConfig(namespace: string, dataId: string, group: string, content: string | undefined): void {
    const id = JSON.stringify([namespace, dataId, group]);
    if (content === undefined) this.#configs.delete(id);
    else this.#configs.set(id, content);
  }

  config(namespace: string, dataId: string, group: string): string | undefined {
    return this.#configs.get(JSON.stringify([namespace, dataId, group]));
  }

  keys(namespace: string): readonly Key[] {
    return [...this.#services.values()].map(({ key }) => key).filter((key) => key.namespace === namespace);
  }

  /** What the server says of a service, which need not exist. */
  info(key: Key, version: string): object {
    const hosts = [...(this.#services.get(idOf(key))?.hosts.values() ?? [])];
    const isProtected = this.protected.has(key.name);
    return {
      name: key.name,
      groupName: key.group,
      clusters: "",
      cacheMillis: 10_000,
      hosts: hosts.filter(({ enabled = true }) => enabled).map((one) => hostOf(key, one, isProtected)),
      lastRefTime: Date.now(),
      checksum: "",
      [version === "3.1" ? "allIps" : "allIPs"]: false,
      reachProtectionThreshold: isProtected,
      valid: true,
    };
  }

  isEmpty(key: Key): boolean {
    return (this.#services.get(idOf(key))?.hosts.size ?? 0) === 0;
  }
}

const addressOf = ({ ip, port, clusterName = "DEFAULT" }: FakeInstance): string =>
  `${ip}#${port}#${clusterName}`;

function hostOf({ group, name }: Key, one: FakeInstance, isProtected: boolean): object {
  const {
    weight = 1,
    healthy = true,
    enabled = true,
    clusterName = "DEFAULT",
    metadata = {},
    ip,
    port,
  } = one;
  return {
    instanceId: `${ip}#${port}#${clusterName}#${group}@@${name}`,
    ip,
    port,
    weight,
    healthy: healthy || isProtected,
    enabled,
    ephemeral: true,
    clusterName,
    serviceName: `${group}@@${name}`,
    metadata,
    instanceHeartBeatInterval: 5_000,
    instanceIdGenerator: "simple",
  };
}
