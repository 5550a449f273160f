import { Agent, type Dispatcher, request } from "undici";
import type { Eureka } from "../bed/eureka.ts";

/** What is registered: where an instance is, and what Eureka's clients say besides; the rest is as they have it by default. */
export interface EurekaInstance {
  readonly ip: string;
  readonly port: number;
  readonly metadata?: Readonly<Record<string, string>>;
  /** For how long the lease lasts without a renewal, in seconds. Default an hour: nobody renews it. */
  readonly leaseSeconds?: number;
  /** Whatever else of an InstanceInfo, or instead of what is above. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

/** The REST operations of Eureka's clients, by hand. Source: Netflix/eureka, ApplicationResource and InstanceResource. */
export interface EurekaRest extends AsyncDisposable {
  register(app: string, instance: EurekaInstance): Promise<void>;
  /** false = the server does not know it, and it has to register again. */
  renew(app: string, instance: EurekaInstance): Promise<boolean>;
  deregister(app: string, instance: EurekaInstance): Promise<void>;
  /** What a person does to an instance; UP takes the override away. */
  override(app: string, instance: EurekaInstance, status: "OUT_OF_SERVICE" | "UP"): Promise<void>;
  /** Takes away whatever is listed, whoever registered it. */
  clear(): Promise<void>;
  /** What the server lists now, from its cache, as readers see it: "ip:port" by application, whatever the status. */
  listed(): Promise<ReadonlyMap<string, readonly string[]>>;
}

/** In flight at once. */
const connections = 20;
/** As Eureka's own client has it, a server that is silent for so long does not answer. */
const silenceMs = 8_000;

/** Speaks to a server, or to whatever forwards to it. @throws Error with the status of what is refused. */
export function eurekaRest({ address, login }: Pick<Eureka, "address" | "login">): EurekaRest {
  const authorization = login && `Basic ${btoa(`${login.username}:${login.password}`)}`;
  const headers = { ...(authorization && { authorization }), accept: "application/json" };
  const agent = new Agent({ connections, headersTimeout: silenceMs, bodyTimeout: silenceMs });
  const send = async (method: Dispatcher.HttpMethod, path: string, body?: object) => {
    const json = body && {
      body: JSON.stringify(body),
      headers: { ...headers, "content-type": "application/json" },
    };
    const answer = await request(`${address}${path}`, { dispatcher: agent, method, headers, ...json });
    const { statusCode: status } = answer;
    const text = await answer.body.text();
    if (status >= 300 && status !== 404) throw new Error(`${method} ${path}: ${status}`);
    return { status, text };
  };
  const list = async () => (JSON.parse((await send("GET", "/apps")).text) as Listed).applications.application;
  const pathOf = (app: string, instance: EurekaInstance): string =>
    `/apps/${encodeURIComponent(app)}/${encodeURIComponent(idOf(app, instance))}`;
  return {
    async register(app, instance) {
      await send("POST", `/apps/${encodeURIComponent(app)}`, { instance: infoOf(app, instance) });
    },
    async renew(app, instance) {
      return (await send("PUT", pathOf(app, instance))).status === 200;
    },
    async deregister(app, instance) {
      await send("DELETE", pathOf(app, instance));
    },
    async override(app, instance, status) {
      if (status === "UP") await send("DELETE", `${pathOf(app, instance)}/status?value=UP`);
      else await send("PUT", `${pathOf(app, instance)}/status?value=${status}`);
    },
    async clear() {
      const all = (await list()).flatMap(({ name, instance }) =>
        instance.map(({ instanceId }) => [name, instanceId].map(encodeURIComponent).join("/")),
      );
      await Promise.all(all.map((path) => send("DELETE", `/apps/${path}`)));
    },
    async listed() {
      return new Map(
        (await list()).map(({ name, instance }) => [
          name,
          instance.map(({ ipAddr, port }) => `${ipAddr}:${port.$}`),
        ]),
      );
    },
    [Symbol.asyncDispose]: () => agent.close(),
  };
}

interface Listed {
  readonly applications: {
    readonly application: readonly {
      readonly name: string;
      readonly instance: readonly {
        readonly instanceId: string;
        readonly ipAddr: string;
        readonly port: { readonly $: number };
      }[];
    }[];
  };
}

/** The id under which an instance is registered. */
export const idOf = (app: string, { ip, port }: EurekaInstance): string => `${ip}:${app}:${port}`;

/** The InstanceInfo that a client writes. */
export function infoOf(app: string, instance: EurekaInstance): Readonly<Record<string, unknown>> {
  const { ip, port, metadata = {}, leaseSeconds = 3_600, fields = {} } = instance;
  return {
    instanceId: idOf(app, instance),
    hostName: ip,
    app,
    ipAddr: ip,
    status: "UP",
    port: { $: port, "@enabled": "true" },
    securePort: { $: 443, "@enabled": "false" },
    dataCenterInfo: {
      "@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo",
      name: "MyOwn",
    },
    leaseInfo: { renewalIntervalInSecs: 30, durationInSecs: leaseSeconds },
    metadata,
    vipAddress: app,
    ...fields,
  };
}
