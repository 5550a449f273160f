import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Clock } from "../../../src/runtime/deps.ts";
import type { Access } from "./access.ts";
import type { FakeData, Key } from "./data.ts";
import type { Script } from "./script.ts";
import type { FakeVersion } from "./server.ts";

interface HttpFrontOptions {
  readonly version: FakeVersion;
  readonly data: FakeData;
  readonly access: Access;
  readonly script: Script;
  readonly clock: Pick<Clock, "after">;
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** Login, and the lists of all groups. */
export function createHttpFront(options: HttpFrontOptions): Server {
  return createServer((request, response) => void serve(options, request, response));
}

async function serve(
  options: HttpFrontOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? "", "http://nacos");
  const sent = Buffer.concat(await request.toArray()).toString();
  const fields = new URLSearchParams([...searchParams, ...new URLSearchParams(sent)]);
  const path = pathname.replace(/^\/nacos/, "");
  const reaction = options.script.take({
    type: `${request.method} ${path}`,
    body: Object.fromEntries(fields),
  });
  const end = ({ status, body }: Answer): void => {
    response.writeHead(status);
    response.end(typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body));
  };
  const token = request.headers.accesstoken;
  const usual = () => answer(options, path, fields, typeof token === "string" ? token : undefined);
  if (reaction === undefined) end(usual());
  else if (reaction === "hang") return;
  else if (reaction === "cut" || reaction === "reset") request.socket.destroy();
  else if ("delayMs" in reaction) options.clock.after(reaction.delayMs, () => end(usual()));
  else if ("refuse" in reaction) end(refusal(reaction.refuse, reaction.message));
  else if ("status" in reaction) end({ status: reaction.status, body: "" });
  else if ("answer" in reaction) end({ status: 200, body: reaction.answer });
  else if ("frame" in reaction) request.socket.end(reaction.frame);
  else request.socket.destroy();
}

/** Codes that are no status of HTTP are those of gRPC. */
const refusal = (code: number, message = ""): Answer => ({
  status: code >= 200 && code < 600 ? code : 500,
  body: message,
});

const gone: Answer = { status: 410, body: { status: 410, error: "Gone" } };

function answer(
  { version, data, access }: HttpFrontOptions,
  path: string,
  fields: URLSearchParams,
  token: string | undefined,
): Answer {
  const isThree = version === "3.1";
  const namespace = fields.get("namespaceId") || "public";
  const refusal = access.refusal(token, `${namespace}:*:naming/*`);
  switch (path) {
    case "/v3/auth/user/login":
    case "/v1/auth/users/login": {
      if (path.startsWith("/v3") && !isThree) return { status: 404, body: "" };
      const accessToken = access.logIn(fields.get("username"), fields.get("password"));
      if (accessToken === undefined) return { status: 403, body: "user not found!" };
      return { status: 200, body: { accessToken, tokenTtl: access.tokenTtlS, globalAdmin: false } };
    }
    case "/v1/ns/catalog/services": {
      if (isThree) return gone;
      if (refusal !== undefined) return { status: 403, body: refusal };
      const serviceList = data.keys(namespace).map(({ group, name }) => ({ name, groupName: group }));
      return { status: 200, body: { count: serviceList.length, serviceList } };
    }
    case "/v3/admin/ns/service/list": {
      if (!isThree) return { status: 404, body: "" };
      // The admin API wants a login also where clients need none.
      const why = access.isRequired ? refusal : "user not found!";
      if (why !== undefined) return { status: 403, body: { code: 403, message: why, data: null } };
      const full = data.keys(namespace).filter((key) => !data.isEmpty(key));
      const pageItems = full.map(({ group, name }: Key) => ({ name, groupName: group, clusterCount: 1 }));
      const page = { totalCount: full.length, pageNumber: 1, pagesAvailable: 1, pageItems };
      return { status: 200, body: { code: 0, message: "success", data: page } };
    }
    default:
      return { status: 404, body: "" };
  }
}
