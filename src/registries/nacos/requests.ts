import * as z from "zod";
import { RegistryError, type RegistryErrorCode } from "../../model/errors.ts";
import { listOf } from "../../runtime/json.ts";
import type { NacosConnection } from "./connection.ts";
import { isTokenRefused, type Login } from "./login.ts";
import { errorCodes } from "./response.ts";
import { parseServiceInfo, type ServiceInfo } from "./service-info.ts";
import type { ServiceKey } from "./service-name.ts";

/** Of requests to one server: more in flight is not faster. Source: measured on 2.3.2 and 3.1.0. */
export const maxInFlight = 20;

/** Why the server did not let one thing be read, one of `errorCodes`; everything else is fine. */
export interface Refusal {
  readonly refused: number;
}

/** What is known of one service. */
export type ServiceRead = ServiceInfo | Refusal;

export const isRefusal = (read: object): read is Refusal => "refused" in read;

/** A configuration, or why there is none. */
export type ConfigRead = { readonly content: string } | "missing" | "unreadable";

/** More than any server has. In pages a listing loses and doubles living services (measured). */
const wholeList = 100_000;

const listSchema = z.object({ count: z.number(), serviceNames: listOf(z.string()).nullish() });
const serviceSchema = z.object({ serviceInfo: z.unknown() });
const configSchema = z.object({ content: z.string().nullish() });
export const noAnswer: Refusal = { refused: errorCodes.noAnswer };

/**
 * One namespace, read through one connection. Every method @throws RegistryError when the connection is useless, or the
 * login is refused; what concerns only one service, group or configuration is a Refusal.
 * Source of requests and answers: alibaba/nacos, api/naming/remote and api/config/remote; measured on 2.0.3, 2.3.2,
 * 3.1.0.
 */
export class NamingClient {
  readonly #connection: NacosConnection;
  readonly #login: Login;
  readonly #namespace: string;
  readonly #tenant: string;

  constructor(connection: NacosConnection, login: Login, namespace: string) {
    this.#connection = connection;
    this.#login = login;
    // "" would be a different, empty namespace for services, and "public" one for configurations (measured).
    const isPublic = namespace === "" || namespace === "public";
    this.#namespace = isPublic ? "public" : namespace;
    this.#tenant = isPublic ? "" : namespace;
  }

  /** The names of all services of a group. */
  async list(groupName: string): Promise<readonly string[] | Refusal> {
    const page = { pageNo: 1, pageSize: wholeList, selector: "" };
    const fields = { ...this.#at({ group: groupName, name: "" }), ...page };
    const answer = await this.#request("ServiceListRequest", fields, listSchema);
    if (isRefusal(answer)) return answer;
    const { count, serviceNames } = answer;
    const names = serviceNames ?? [];
    return names.length < count || names.length > wholeList ? noAnswer : names;
  }

  /** Returns the current state of a service; from then on the server pushes each change. */
  subscribe(key: ServiceKey): Promise<ServiceRead> {
    return this.#service("SubscribeServiceRequest", { ...this.#at(key), clusters: "", subscribe: true });
  }

  async unsubscribe(key: ServiceKey): Promise<void> {
    await this.#service("SubscribeServiceRequest", { ...this.#at(key), clusters: "", subscribe: false });
  }

  /** Returns the current state of a service, which need not exist. */
  query(key: ServiceKey): Promise<ServiceRead> {
    const fields = { ...this.#at(key), cluster: "", healthyOnly: false, udpPort: 0 };
    return this.#service("ServiceQueryRequest", fields);
  }

  async config(dataId: string, group: string): Promise<ConfigRead> {
    const fields = { dataId, group, tenant: this.#tenant };
    const answer = await this.#request("ConfigQueryRequest", fields, configSchema);
    if (isRefusal(answer)) return answer.refused === errorCodes.configMissing ? "missing" : "unreadable";
    return typeof answer.content === "string" ? { content: answer.content } : "missing";
  }

  /** Makes the server name every service of the namespace, and each new one, in pushes. */
  async watchAll(): Promise<Refusal | undefined> {
    const fields = {
      groupKeyPattern: `${this.#namespace}>>*>>*`,
      watchType: "WATCH",
      namespace: this.#namespace,
      receivedGroupKeys: [],
      initializing: true,
    };
    const answer = await this.#request("NamingFuzzyWatchRequest", fields, z.object({}));
    return isRefusal(answer) ? answer : undefined;
  }

  #at({ group, name }: ServiceKey): object {
    return { namespace: this.#namespace, serviceName: name, groupName: group };
  }

  async #service(type: string, fields: object): Promise<ServiceRead> {
    const answer = await this.#request(type, fields, serviceSchema);
    return isRefusal(answer) ? answer : (parseServiceInfo(answer.serviceInfo) ?? noAnswer);
  }

  async #request<T extends object>(type: string, fields: object, schema: z.ZodType<T>): Promise<T | Refusal> {
    const token = await this.#login.token();
    let answer = await this.#connection.request(type, fields, token);
    if (!answer.isOk && answer.code === errorCodes.forbidden && isTokenRefused(answer.message)) {
      const newer = await this.#login.renew(token);
      if (newer !== undefined) answer = await this.#connection.request(type, fields, newer);
    }
    if (!answer.isOk) return { refused: answer.code };
    return schema.safeParse(answer.body).data ?? noAnswer;
  }
}

/** The error for a list that could not be read, whoever refused it. */
export function listError(server: string, what: string, { refused }: Refusal): RegistryError {
  const detail = `${server}: ${what}: `;
  if (refused === errorCodes.forbidden) {
    const advice =
      "Check username and password in the Secret of spec.secretRef, and that the account's role may read the namespace.";
    return new RegistryError("RegistryUnauthorized", `${detail}the account may not read it`, advice);
  }
  const code: RegistryErrorCode =
    refused === errorCodes.noAnswer ? "RegistryBadResponse" : "RegistryUnreachable";
  return new RegistryError(code, detail + reasonOf(refused), "See the server's log.");
}

/** Why a request has no result, in words for people; nothing of what the server said. */
export function reasonOf(refused: number): string {
  if (refused === errorCodes.noAnswer) return "the server gives no answer of use";
  return `the server refuses the request (error ${refused})`;
}
