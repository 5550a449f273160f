import * as z from "zod";
import { RegistryError } from "../../model/errors.ts";
import { errorCodes, type NacosConnection } from "./connection.ts";
import type { ConfigRead, Forbidden } from "./group.ts";
import { isTokenRefused, type Login } from "./login.ts";
import { BadServiceInfoError, parseServiceInfo, type ServiceInfo } from "./service-info.ts";
import type { ServiceKey } from "./service-name.ts";

/** More than any server has. In pages a listing loses and doubles living services (measured). */
const wholeList = 100_000;

const listSchema = z.object({ count: z.number(), serviceNames: z.array(z.string()).nullish() });
const serviceSchema = z.object({ serviceInfo: z.unknown() });
const configSchema = z.object({ content: z.string().nullish() });
/** The code for a configuration that does not exist; "the server is starting" is handled before. */
const configMissing = 300;

/**
 * One namespace, read through one connection. Every method @throws RegistryError when the connection is useless.
 * Source of requests and answers: alibaba/nacos, api/naming/remote and api/config/remote; measured on 2.0.3, 2.3.2,
 * 3.1.0.
 */
export class NamingClient {
  readonly server: string;
  readonly #connection: NacosConnection;
  readonly #login: Login;
  readonly #namespace: string;
  readonly #tenant: string;

  constructor(server: string, connection: NacosConnection, login: Login, namespace: string) {
    this.server = server;
    this.#connection = connection;
    this.#login = login;
    // "" would be a different, empty namespace for services, and "public" one for configurations (measured).
    const isPublic = namespace === "" || namespace === "public";
    this.#namespace = isPublic ? "public" : namespace;
    this.#tenant = isPublic ? "" : namespace;
  }

  /** The names of all services of a group. @throws RegistryError RegistryUnauthorized. */
  async list(groupName: string): Promise<readonly string[]> {
    const answer = await this.#request("ServiceListRequest", {
      ...this.#at({ group: groupName, name: "" }),
      pageNo: 1,
      pageSize: wholeList,
      selector: "",
    });
    if ("refused" in answer) throw this.#unauthorized(`list group ${groupName}`);
    const { count, serviceNames } = this.#shaped(listSchema, answer.body);
    const names = serviceNames ?? [];
    if (names.length >= count) return names;
    throw this.#badResponse(`group ${groupName} has ${count} services, but the list has ${names.length}`);
  }

  /** Returns the current state of a service; from then on the server pushes each change. */
  subscribe(key: ServiceKey): Promise<ServiceInfo | Forbidden> {
    return this.#service("SubscribeServiceRequest", { ...this.#at(key), clusters: "", subscribe: true });
  }

  async unsubscribe(key: ServiceKey): Promise<void> {
    await this.#request("SubscribeServiceRequest", { ...this.#at(key), clusters: "", subscribe: false });
  }

  /** Returns the current state of a service, which need not exist. */
  query(key: ServiceKey): Promise<ServiceInfo | Forbidden> {
    const fields = { ...this.#at(key), cluster: "", healthyOnly: false, udpPort: 0 };
    return this.#service("ServiceQueryRequest", fields);
  }

  async config(dataId: string, group: string): Promise<ConfigRead> {
    const fields = { dataId, group, tenant: this.#tenant };
    const answer = await this.#request("ConfigQueryRequest", fields, [errorCodes.forbidden, configMissing]);
    if ("refused" in answer) return answer.refused === configMissing ? "missing" : "unreadable";
    const { content } = this.#shaped(configSchema, answer.body);
    return typeof content === "string" ? { content } : "missing";
  }

  /**
   * Makes the server name every service of the namespace, and each new one, in pushes. false = it cannot, because
   * there are more services than it names (500 by default).
   */
  async watchAll(): Promise<boolean | Forbidden> {
    const groupKeyPattern = `${this.#namespace}>>*>>*`;
    const fields = {
      groupKeyPattern,
      watchType: "WATCH",
      namespace: this.#namespace,
      receivedGroupKeys: [],
      initializing: true,
    };
    const accepted = [errorCodes.forbidden, errorCodes.noHandler, ...errorCodes.fuzzyWatchLimits];
    const answer = await this.#request("NamingFuzzyWatchRequest", fields, accepted);
    if (!("refused" in answer)) return true;
    return answer.refused === errorCodes.forbidden ? "forbidden" : false;
  }

  #at({ group, name }: ServiceKey): object {
    return { namespace: this.#namespace, serviceName: name, groupName: group };
  }

  async #service(type: string, fields: object): Promise<ServiceInfo | Forbidden> {
    const answer = await this.#request(type, fields);
    if ("refused" in answer) return "forbidden";
    try {
      return parseServiceInfo(this.#shaped(serviceSchema, answer.body).serviceInfo);
    } catch (error) {
      if (!(error instanceof BadServiceInfoError)) throw error;
      throw this.#badResponse(error.message);
    }
  }

  /** The body of the answer, or the `accepted` code of its errorCodes. */
  async #request(
    type: string,
    fields: object,
    accepted: readonly number[] = [errorCodes.forbidden],
  ): Promise<{ readonly body: unknown } | { readonly refused: number }> {
    const token = await this.#login.token();
    let answer = await this.#connection.request(type, fields, token);
    if (!answer.isOk && answer.code === errorCodes.forbidden && isTokenRefused(answer.message)) {
      const newer = await this.#login.renew(token);
      if (newer !== undefined) answer = await this.#connection.request(type, fields, newer);
    }
    if (answer.isOk) return { body: answer.body };
    if (accepted.includes(answer.code)) return { refused: answer.code };
    const detail = `the server refused ${type}: ${answer.message}`;
    if (answer.code === errorCodes.overLimit) throw this.#unreachable(detail);
    throw this.#badResponse(detail);
  }

  #shaped<T>(schema: z.ZodType<T>, body: unknown): T {
    const result = schema.safeParse(body);
    if (result.success) return result.data;
    throw this.#badResponse(`an answer does not have Nacos' form: ${z.prettifyError(result.error)}`);
  }

  #unauthorized(what: string): RegistryError {
    const detail = `${what} of namespace ${this.#namespace} at ${this.server}: the account may not read it`;
    const advice =
      "Check username and password in the Secret of spec.secretRef, and that the account's role may read the namespace.";
    return new RegistryError("RegistryUnauthorized", detail, advice);
  }

  #unreachable(what: string): RegistryError {
    return new RegistryError("RegistryUnreachable", `${this.server}: ${what}`, "See the server's log.");
  }

  #badResponse(what: string): RegistryError {
    const advice = "Check that spec.address points to a Nacos server of version 2 or newer.";
    return new RegistryError("RegistryBadResponse", `${this.server}: ${what}`, advice);
  }
}
