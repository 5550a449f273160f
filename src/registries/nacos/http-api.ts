import type * as z from "zod";
import { readAnswer, statusError } from "../transport/answers.ts";
import type { HttpAnswer, HttpClient } from "../transport/http-client.ts";
import { httpFailure } from "../transport/http-error.ts";
import type { NacosServer } from "./address.ts";
import { isTokenRefused, type Login } from "./login.ts";

/** A list of 12,000 services takes 30 ms. Source: measured. */
const timeoutMs = 5_000;

export type Query = Readonly<Record<string, string>>;

/**
 * What a GET of the HTTP API of one server says, in the form of `schema`. If the server refuses the token, the token is
 * renewed once and the request repeated. @throws RegistryError; the signal's reason.
 */
export type HttpApi = <T>(path: string, query: Query, schema: z.ZodType<T>) => Promise<T>;

/** Sends the token as a header, because access logs keep URLs. */
export function createHttpApi(http: Pick<HttpClient, "get">, server: NacosServer, login: Login): HttpApi {
  return async (path, query, schema) => {
    const doing = `GET ${path} at ${server.name}`;
    const send = async (token: string | undefined): Promise<HttpAnswer> => {
      const headers = token === undefined ? {} : { accesstoken: token };
      const url = `${server.baseUrl}${path}?${new URLSearchParams(query).toString()}`;
      try {
        return await http.get(url, { headers, timeoutMs });
      } catch (error) {
        throw httpFailure(doing, error, product);
      }
    };
    const token = await login.token();
    let answer = await send(token);
    if (answer.status === 403 && isTokenRefused(answer.text)) {
      const newer = await login.renew(token);
      if (newer !== undefined) answer = await send(newer);
    }
    if (answer.status !== 200) throw statusError({ doing, product, answer }, advice);
    return readAnswer(schema, { doing, product, answer });
  };
}

const product = "a Nacos server";
const advice = {
  unauthorized:
    "Check username and password in the Secret of spec.secretRef, and that the account may read all groups (docs/registries/nacos.md), or name the groups in spec.nacos.groups.",
  notFound: "Name the groups in spec.nacos.groups, and check that spec.address points to a Nacos server.",
};
