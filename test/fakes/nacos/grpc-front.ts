import {
  constants,
  createServer,
  type Http2Server,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import {
  decodePayload,
  encodePayload,
  fieldsOf,
  payloadFields,
} from "../../../src/registries/nacos/payload.ts";
import type { Clock } from "../../../src/runtime/deps.ts";
import type { Access } from "./access.ts";
import { type FakeData, idOf, type Key } from "./data.ts";
import type { FakeRequest, Reaction, Script } from "./script.ts";
import type { FakeVersion } from "./server.ts";

/** A server names at most so many services to who watches all of them; measured on 3.1.0. */
const fuzzyLimit = 500;
const fuzzyBatch = 10;

interface GrpcFrontOptions {
  readonly version: FakeVersion;
  readonly data: FakeData;
  readonly access: Access;
  readonly script: Script;
  readonly clock: Pick<Clock, "after">;
  /** How long the server collects changes before it pushes them. */
  readonly pushMs: number;
}

/** One client. */
interface Client {
  readonly session: ServerHttp2Session;
  stream: ServerHttp2Stream | undefined;
  /** The gRPC status that its stream ends with. */
  endStatus: number;
  isRegistered: boolean;
  isNaming: boolean;
  clientIp: string;
  /** `:authority` and `:scheme` of its requests. */
  authority: string;
  readonly subscribed: Map<string, Key>;
  /** Whether it wants to hear of new services of the namespace. */
  watches: string | undefined;
  readonly unanswered: Set<string>;
}

interface Refusal {
  readonly code: number;
  readonly message: string;
}

const refusalBody = ({ code, message }: Refusal): object => ({
  resultCode: 500,
  errorCode: code,
  message,
  success: false,
});
const ok = (fields: object = {}): object => ({ resultCode: 200, errorCode: 0, success: true, ...fields });

/** The gRPC of a Nacos: HTTP/2 without TLS, one envelope around JSON. */
export class GrpcFront {
  readonly server: Http2Server;
  readonly clients = new Set<Client>();
  /** Requests are refused as a server does that starts. */
  isStarting = false;
  readonly #options: GrpcFrontOptions;
  readonly #due = new Map<string, Key>();
  #pushes = 0;
  #held: (() => void)[] | undefined;

  constructor(options: GrpcFrontOptions) {
    this.#options = options;
    this.server = createServer({ settings: { initialWindowSize: 8 * 1024 * 1024 } });
    this.server.on("session", (session) => this.#meet(session));
    this.server.on("sessionError", () => undefined);
    options.data.changed = (key, isNew) => this.#changed(key, isNew);
  }

  /** Answers nothing until `resume`, then everything that came meanwhile. */
  freeze(): void {
    this.#held ??= [];
  }

  resume(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const run of held) run();
  }

  /** To every client, whatever it is. */
  push(type: string, body: unknown): void {
    for (const client of this.clients) this.#push(client, type, body);
  }

  /** Raw bytes on the stream of every client. */
  pushFrame(frame: Buffer): void {
    for (const { stream } of this.clients) stream?.write(frame);
  }

  /** Ends the stream of every client and keeps its connection, as a proxy may. */
  endStreams(status = 0): void {
    for (const client of this.clients) {
      client.endStatus = status;
      client.stream?.end();
    }
  }

  goAway(): void {
    for (const { session } of this.clients) session.goaway();
  }

  /** Breaks every connection. */
  cut(): void {
    for (const { session } of this.clients) session.destroy();
  }

  subscribersOf(key: Key): number {
    return [...this.clients].filter(({ subscribed }) => subscribed.has(idOf(key))).length;
  }

  #meet(session: ServerHttp2Session): void {
    const client: Client = {
      session,
      stream: undefined,
      endStatus: 0,
      isRegistered: false,
      isNaming: false,
      clientIp: "",
      authority: "",
      subscribed: new Map(),
      watches: undefined,
      unanswered: new Set(),
    };
    this.clients.add(client);
    session.setLocalWindowSize(8 * 1024 * 1024);
    session.on("error", () => undefined);
    session.on("close", () => this.clients.delete(client));
    session.on("stream", (stream, headers) => {
      stream.on("error", () => undefined);
      client.authority = `${headers[":scheme"]}://${headers[":authority"]}`;
      const isBidirectional = headers[":path"] === "/BiRequestStream/requestBiStream";
      if (isBidirectional) this.#converse(client, stream);
      else readFrames(stream, (message) => this.#when(() => this.#request(client, stream, message)));
    });
  }

  #when(run: () => void): void {
    if (this.#held === undefined) run();
    else this.#held.push(run);
  }

  #converse(client: Client, stream: ServerHttp2Stream): void {
    client.stream = stream;
    stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": String(client.endStatus) }));
    readFrames(stream, (message) =>
      this.#when(() => {
        const { type, body } = decodePayload(message);
        const said = JSON.parse(body) as { requestId?: string; labels?: { module?: string } };
        if (type !== "ConnectionSetupRequest") {
          client.unanswered.delete(String(said.requestId));
          return;
        }
        if (this.isStarting) return; // such a stream stays open and never works (measured)
        client.isRegistered = true;
        client.isNaming = said.labels?.module === "naming";
        if (this.#options.version === "2.0") return;
        const abilityTable = {
          supportPersistentInstanceByGrpc: true,
          fuzzyWatch: this.#options.version === "3.1",
        };
        this.#write(client, "SetupAckRequest", { headers: {}, abilityTable, module: "internal" });
      }),
    );
  }

  #request(client: Client, stream: ServerHttp2Stream, message: Buffer): void {
    if (stream.destroyed) return;
    const { type, body } = decodePayload(message);
    const { headers, clientIp } = metadataOf(message);
    client.clientIp = clientIp;
    const request: FakeRequest = { type, body: JSON.parse(body) as Record<string, unknown> };
    const usual = (): void => {
      const { type: answerType, body: answer } = this.#answer(client, request, headers.accessToken);
      if (!stream.destroyed) reply(stream, frame(payloadOf(answerType, answer)));
    };
    const reaction = this.#options.script.take(request);
    if (reaction === undefined) usual();
    else this.#react(reaction, stream, type, usual);
  }

  #react(reaction: Reaction, stream: ServerHttp2Stream, type: string, usual: () => void): void {
    if (reaction === "hang") return;
    if (reaction === "cut") stream.session?.destroy();
    else if (reaction === "reset") stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    else if ("delayMs" in reaction) this.#options.clock.after(reaction.delayMs, usual);
    else if ("refuse" in reaction) {
      const { refuse: code, message = "refused" } = reaction;
      reply(stream, frame(payloadOf(reaction.type ?? "ErrorResponse", refusalBody({ code, message }))));
    } else if ("answer" in reaction)
      reply(stream, frame(payloadOf(reaction.type ?? responseOf(type), reaction.answer)));
    else if ("message" in reaction) reply(stream, frame(reaction.message));
    else if ("frame" in reaction) reply(stream, reaction.frame);
    else if ("status" in reaction) {
      stream.respond({ ":status": reaction.status, "content-type": reaction.contentType ?? "text/plain" });
      stream.end("x");
    } else
      stream.respond(
        { ":status": 200, "content-type": "application/grpc", "grpc-status": String(reaction.grpcStatus) },
        { endStream: true },
      );
  }

  #answer(
    client: Client,
    request: FakeRequest,
    token: string | undefined,
  ): { readonly type: string; readonly body: object } {
    const error = (code: number, message: string) => ({
      type: "ErrorResponse",
      body: refusalBody({ code, message }),
    });
    const { type } = request;
    if (this.isStarting) return error(300, "Server is starting,please try later.");
    if (type === "ServerCheckRequest") {
      const negotiates = this.#options.version !== "2.0" && { supportAbilityNegotiation: true };
      return { type: "ServerCheckResponse", body: ok({ connectionId: "1_127.0.0.1_2", ...negotiates }) };
    }
    if (!client.isRegistered) return error(301, "Connection is unregistered.");
    if (type === "HealthCheckRequest") return { type: "HealthCheckResponse", body: ok() };
    const answer = this.#read(client, request, token);
    if (answer === undefined) return error(302, "RequestHandler Not Found");
    return "code" in answer
      ? {
          type: type === "ConfigQueryRequest" ? responseOf(type) : "ErrorResponse",
          body: refusalBody(answer as Refusal),
        }
      : { type: responseOf(type), body: ok(answer) };
  }

  /** The fields of the answer to a request that needs rights. */
  #read(
    client: Client,
    { type, body }: FakeRequest,
    token: string | undefined,
  ): object | Refusal | undefined {
    const { data, access, version } = this.#options;
    const text = (name: string): string => {
      const value = body[name];
      return typeof value === "string" ? value : "";
    };
    const refusedOr = (resource: string, illegal: string | undefined, read: () => object): object => {
      const message = access.refusal(token, resource);
      if (message !== undefined) return { code: 403, message };
      return illegal === undefined ? read() : { code: 400, message: illegal };
    };
    const key: Key = { namespace: text("namespace"), group: text("groupName"), name: text("serviceName") };
    const naming = `${key.namespace}:${key.group}:naming/${key.name || "*"}`;
    switch (type) {
      case "ServiceListRequest":
        return refusedOr(naming, illegalGroup(key.group), () => {
          const found = data.keys(key.namespace).filter(({ group }) => group === key.group);
          return { count: found.length, serviceNames: found.map(({ name }) => name) };
        });
      case "SubscribeServiceRequest":
        if (!client.isNaming) return { code: -401, message: "connection already disconnect" };
        return refusedOr(naming, illegalGroup(key.group) ?? illegalService(key.name), () => {
          if (body.subscribe === true) client.subscribed.set(idOf(key), key);
          else client.subscribed.delete(idOf(key));
          return { serviceInfo: data.info(key, version) };
        });
      case "ServiceQueryRequest":
        return refusedOr(naming, illegalGroup(key.group) ?? illegalService(key.name), () => ({
          serviceInfo: data.info(key, version),
        }));
      case "ConfigQueryRequest": {
        const [dataId, group, namespace] = [text("dataId"), text("group"), text("tenant") || "public"];
        return refusedOr(`${namespace}:${group}:config/${dataId}`, illegalConfig(dataId, group), () => {
          const content = data.config(namespace, dataId, group);
          return content === undefined
            ? { code: 300, message: "config data not exist" }
            : { content, contentType: "text", md5: "" };
        });
      }
      case "NamingFuzzyWatchRequest":
        if (version !== "3.1") return undefined;
        return refusedOr(`${key.namespace}:*:naming/*`, undefined, () =>
          this.#watchAll(client, key.namespace),
        );
      default:
        return undefined;
    }
  }

  #watchAll(client: Client, namespace: string): object {
    const keys = this.#options.data.keys(namespace);
    client.watches = namespace;
    const sync = (syncType: string, contexts: readonly object[]): void =>
      this.#push(client, "NamingFuzzyWatchSyncRequest", { syncType, contexts });
    this.#later(() => {
      for (let from = 0; from < Math.min(keys.length, fuzzyLimit); from += fuzzyBatch) {
        const batch = keys.slice(from, from + fuzzyBatch);
        sync(
          "FUZZY_WATCH_INIT_NOTIFY",
          batch.map((key) => ({ serviceKey: idOf(key), changedType: "ADD_SERVICE" })),
        );
      }
      sync("FINISH_FUZZY_WATCH_INIT_NOTIFY", []);
    });
    return keys.length >= fuzzyLimit
      ? { code: 50_311, message: "fuzzy watch pattern matched count over limit" }
      : {};
  }

  #changed(key: Key, isNew: boolean): void {
    const isNamed = this.#options.data.keys(key.namespace).length <= fuzzyLimit;
    for (const client of this.clients)
      if (isNew && isNamed && client.watches === key.namespace)
        this.#push(client, "NamingFuzzyWatchChangeNotifyRequest", {
          serviceKey: idOf(key),
          changedType: "ADD_SERVICE",
          syncType: "FUZZY_WATCH_RESOURCE_CHANGED",
        });
    if (this.#due.has(idOf(key))) return;
    this.#due.set(idOf(key), key);
    this.#later(() => {
      this.#due.delete(idOf(key));
      for (const client of this.clients)
        if (client.subscribed.has(idOf(key)))
          this.#push(client, "NotifySubscriberRequest", {
            serviceInfo: this.#options.data.info(key, this.#options.version),
          });
    });
  }

  #later(run: () => void): void {
    const { pushMs, clock } = this.#options;
    if (pushMs === 0) setImmediate(run);
    else clock.after(pushMs, run);
  }

  #push(client: Client, type: string, body: unknown): void {
    const requestId = String(++this.#pushes);
    client.unanswered.add(requestId);
    const isObject = typeof body === "object" && body !== null;
    this.#when(() => this.#write(client, type, isObject ? { headers: {}, requestId, ...body } : body));
  }

  #write({ stream }: Client, type: string, body: unknown): void {
    if (stream?.writable) stream.write(frame(payloadOf(type, body)));
  }
}

/** A server whose rules are switched on, as they are by default, refuses these. Source: alibaba/nacos, ParamCheckRule. */
const illegal = (what: string): string =>
  `Param check invalid:Param '${what}' is illegal, illegal characters should not appear in the param.`;
const illegalGroup = (group: string): string | undefined =>
  /^[\w:.-]{0,128}$/.test(group) ? undefined : illegal("group");
const illegalService = (name: string): string | undefined =>
  /[\s\u4e00-\u9fa5]/.test(name) || name.length > 512 ? illegal("serviceName") : undefined;
function illegalConfig(dataId: string, group: string): string | undefined {
  return /^[\w:.-]{1,256}$/.test(dataId) ? illegalGroup(group) : illegal("dataId");
}

const responseOf = (type: string): string =>
  type === "ServiceQueryRequest" ? "QueryServiceResponse" : type.replace(/Request$/, "Response");

/** Text is sent as it is. */
function payloadOf(type: string, body: unknown): Buffer {
  return encodePayload({ type, body: typeof body === "string" ? body : JSON.stringify(body) });
}

/** The headers and the address in a request, which the program writes and never reads. */
function metadataOf(message: Buffer): { headers: Readonly<Record<string, string>>; clientIp: string } {
  const { metadata, headers, clientIp, mapKey, mapValue } = payloadFields;
  const found: Record<string, string> = {};
  let ip = "";
  for (const [number, content] of fieldsOf(message)) {
    if (number !== metadata) continue;
    for (const [inner, value] of fieldsOf(content)) {
      if (inner === clientIp) ip = value.toString();
      if (inner !== headers) continue;
      const entry = new Map([...fieldsOf(value)].map(([at, part]) => [at, part.toString()]));
      found[entry.get(mapKey) ?? ""] = entry.get(mapValue) ?? "";
    }
  }
  return { headers: found, clientIp: ip };
}

/** A message with its length before it. */
export function frame(message: Buffer): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

function readFrames(stream: ServerHttp2Stream, onMessage: (message: Buffer) => void): void {
  let rest = Buffer.alloc(0);
  stream.on("data", (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 5 && rest.length >= 5 + rest.readUInt32BE(1)) {
      const end = 5 + rest.readUInt32BE(1);
      onMessage(rest.subarray(5, end));
      rest = rest.subarray(end);
    }
  });
}

/** Answers a unary call. */
function reply(stream: ServerHttp2Stream, bytes: Buffer): void {
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.end(bytes);
}
