import { createHash, randomUUID } from "node:crypto";
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import Client from "consul";
import type { Consul } from "../bed/consul.ts";

/** An instance as it is registered: on a node of its own address, with one check. */
export interface ConsulInstance {
  readonly service: string;
  readonly address: string;
  readonly port: number;
  /** "" = the node's. Default: `address`. */
  readonly serviceAddress?: string;
  readonly meta?: Readonly<Record<string, string>>;
  readonly tags?: readonly string[];
  readonly kind?: string;
  readonly weights?: { readonly Passing: number; readonly Warning: number };
  /** Of its check. Default passing. */
  readonly status?: "passing" | "warning" | "critical";
}

/** A token and what it may do. */
export interface ConsulToken {
  readonly secret: string;
  /** Changes what it may do, in Consul's rule language; counts within some milliseconds. */
  setRules(rules: string): Promise<void>;
  /** The same token once more, with its first rules: for a server that has lost it. */
  create(): Promise<void>;
  delete(): Promise<void>;
}

/** An independent party that writes the catalog: Consul's npm client; and tokens, which that has no words for. */
export interface ConsulRegistrant {
  register(instances: readonly ConsulInstance[]): Promise<void>;
  deregister(instances: readonly Pick<ConsulInstance, "service" | "address" | "port">[]): Promise<void>;
  /** Removes every node that it registered, and so all instances. */
  clear(): Promise<void>;
  /** `secret` = a UUID of one's own. */
  createToken(rules: string, secret?: string): Promise<ConsulToken>;
  /** What whoever comes without a token may do. */
  setAnonymousRules(rules: string): Promise<void>;
  /** Whether this server leads its cluster. */
  leads(): Promise<boolean>;
  /** An answer of the API. @throws Error when it is not a 2xx. */
  ask<T>(method: "GET" | "PUT" | "DELETE", path: string, body?: unknown): Promise<T>;
}

/** Reads every service and every node. */
export const readAll = 'service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }';
const anonymousToken = "00000000-0000-0000-0000-000000000002";
/** The server takes 128 operations in one transaction. */
const maxOperations = 120;

/** Speaks to `consul` itself, as one who may everything. `ca`: what has signed its certificate; then it only registers. */
export function consulRegistrant({ url, managementToken }: Consul, ca?: string): ConsulRegistrant {
  const { hostname, port, protocol } = new URL(url);
  const token = managementToken === undefined ? {} : { token: managementToken };
  const secure = protocol === "https:";
  // Another address than the operator's: the server counts connections per address.
  const agent = new (secure ? HttpsAgent : HttpAgent)({
    maxSockets: 8,
    localAddress: "127.0.0.2",
    ...(ca !== undefined && { ca }),
  });
  const client = new Client({ host: hostname, port: Number(port), secure, defaults: token, agent });
  const nodes = new Set<string>();

  async function ask<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await fetch(`${url}${path}`, {
      method,
      headers: managementToken === undefined ? {} : { "x-consul-token": managementToken },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: HTTP ${answer.status} ${text}`);
    return JSON.parse(text) as T;
  }

  async function write(operations: readonly object[]): Promise<void> {
    for (let at = 0; at < operations.length; at += maxOperations)
      await client.transaction.create(operations.slice(at, at + maxOperations) as never);
  }

  async function policyOf(rules: string): Promise<{ readonly ID: string }> {
    return ask("PUT", "/v1/acl/policy", { Name: randomUUID(), Rules: rules });
  }

  return {
    ask,
    async leads() {
      const self = await ask<{ readonly Stats: { readonly consul: { readonly leader: string } } }>(
        "GET",
        "/v1/agent/self",
      );
      return self.Stats.consul.leader === "true";
    },
    async register(instances) {
      const places = new Map(instances.map((one) => [nodeOf(one), one.address]));
      for (const node of places.keys()) nodes.add(node);
      const made = [...places].map(([Node, Address]) => ({ Node: { Verb: "set", Node: { Node, Address } } }));
      await write([...made, ...instances.flatMap(operationsOf)]);
    },
    deregister: (instances) =>
      write(
        instances.map((one) => ({
          Service: { Verb: "delete", Node: nodeOf(one), Service: { ID: idOf(one), Service: one.service } },
        })),
      ),
    async clear() {
      const all = [...nodes];
      nodes.clear();
      await write(all.map((Node) => ({ Node: { Verb: "delete", Node: { Node } } })));
    },
    async createToken(rules, secret = randomUUID()) {
      const accessor = randomUUID();
      let policy: { readonly ID: string };
      const token: ConsulToken = {
        secret,
        async create() {
          policy = await policyOf(rules);
          const ids = { AccessorID: accessor, SecretID: secret };
          await ask("PUT", "/v1/acl/token", { ...ids, Policies: [{ ID: policy.ID }] });
        },
        async setRules(other) {
          const old = await ask<object>("GET", `/v1/acl/policy/${policy.ID}`);
          await ask("PUT", `/v1/acl/policy/${policy.ID}`, { ...old, Rules: other });
        },
        delete: async () => void (await ask("DELETE", `/v1/acl/token/${accessor}`)),
      };
      await token.create();
      return token;
    },
    async setAnonymousRules(rules) {
      const { ID } = await policyOf(rules);
      await ask("PUT", `/v1/acl/token/${anonymousToken}`, { AccessorID: anonymousToken, Policies: [{ ID }] });
    },
  };
}

/** The name of the node that stands for an address. */
export const nodeOf = ({ address }: Pick<ConsulInstance, "address">): string =>
  `pod-${createHash("sha256").update(address).digest("hex").slice(0, 12)}`;

const idOf = ({ service, port }: Pick<ConsulInstance, "service" | "port">): string => `${service}:${port}`;

function operationsOf(one: ConsulInstance): readonly object[] {
  const Node = nodeOf(one);
  const { service, address, port, serviceAddress = address, meta = {}, tags = [], status = "passing" } = one;
  const registered = {
    ID: idOf(one),
    Service: service,
    Address: serviceAddress,
    Port: port,
    Meta: meta,
    Tags: tags,
    ...(one.kind !== undefined && { Kind: one.kind, Proxy: { DestinationServiceName: "anything" } }),
    ...(one.weights && { Weights: one.weights }),
  };
  const check = {
    Node,
    CheckID: `service:${idOf(one)}`,
    Name: "of the test",
    Status: status,
    ServiceID: idOf(one),
  };
  return [{ Service: { Verb: "set", Node, Service: registered } }, { Check: { Verb: "set", Check: check } }];
}
