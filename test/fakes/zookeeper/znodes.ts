import { createHash } from "node:crypto";
import { type EventType, errors, events, int, long } from "./jute.ts";

/** Bits of an ACL. */
export const permission = { read: 1, write: 2, create: 4, delete: 8, admin: 16, all: 31 } as const;

/** One line of an ACL, or with `perms` 0 somebody's identity. */
export interface Identity {
  readonly scheme: string;
  readonly id: string;
}
export interface AclLine extends Identity {
  readonly perms: number;
}
export type Acl = readonly AclLine[];

export const openAcl: Acl = [{ perms: permission.all, scheme: "world", id: "anyone" }];

/** Everything for this user only. */
export function aclOf(user: string, password: string): Acl {
  return [{ perms: permission.all, scheme: "digest", id: digestId(`${user}:${password}`) }];
}

/** Source: org.apache.zookeeper.server.auth.DigestAuthenticationProvider.generateDigest. */
export function digestId(login: string): string {
  return `${login.split(":")[0]}:${createHash("sha1").update(login).digest("base64")}`;
}

export function isAllowed(acl: Acl, perms: number, who: readonly Identity[] | "admin"): boolean {
  if (who === "admin") return true;
  return acl.some(
    (line) =>
      (line.perms & perms) !== 0 &&
      (line.scheme === "world" || who.some(({ scheme, id }) => scheme === line.scheme && id === line.id)),
  );
}

interface Znode {
  data: Buffer;
  acl: Acl;
  readonly owner: bigint;
  readonly children: Set<string>;
  readonly czxid: bigint;
  readonly ctime: number;
  mzxid: bigint;
  mtime: number;
  pzxid: bigint;
  version: number;
  cversion: number;
  aversion: number;
}

/** An answer with an error code of ZooKeeper's. */
export class ZnodeError extends Error {
  readonly code: number;
  constructor(code: number) {
    super(`ZooKeeper error ${code}`);
    this.code = code;
  }
}

/** Tells of a change, with the ACL that decides who may hear of it. */
export type OnEvent = (type: EventType, path: string, acl: Acl) => void;

/** The tree of znodes, and who may do what with it. */
export class Znodes {
  readonly #nodes = new Map<string, Znode>();
  readonly #now: () => number;
  readonly #onEvent: OnEvent;
  #zxid = 0n;

  constructor(now: () => number, onEvent: OnEvent) {
    this.#now = now;
    this.#onEvent = onEvent;
    this.#nodes.set("/", this.#fresh(Buffer.alloc(0), openAcl, 0n));
  }

  get zxid(): bigint {
    return this.#zxid;
  }

  /** A transaction without a change, as a new session is one. */
  tick(): void {
    this.#zxid++;
  }

  create(path: string, data: Buffer, acl: Acl, owner: bigint, who: readonly Identity[] | "admin"): void {
    if (!isLegal(path)) throw new ZnodeError(errors.badArguments);
    const parent = this.#get(parentOf(path));
    if (!isAllowed(parent.acl, permission.create, who)) throw new ZnodeError(errors.noAuth);
    if (this.#nodes.has(path)) throw new ZnodeError(errors.nodeExists);
    this.tick();
    const creator = who === "admin" ? [] : who.map((one) => ({ ...one, perms: permission.all }));
    const isCreators = acl.some(({ scheme }) => scheme === "auth");
    this.#nodes.set(path, this.#fresh(data, isCreators ? creator : acl, owner));
    this.#childrenChanged(parentOf(path), parent, path, "add");
    this.#onEvent(events.created, path, acl);
    this.#onEvent(events.childrenChanged, parentOf(path), parent.acl);
  }

  delete(path: string, who: readonly Identity[] | "admin"): void {
    const node = this.#get(path);
    const parent = this.#get(parentOf(path));
    if (!isAllowed(parent.acl, permission.delete, who)) throw new ZnodeError(errors.noAuth);
    if (node.children.size > 0) throw new ZnodeError(errors.notEmpty);
    this.tick();
    this.#nodes.delete(path);
    this.#childrenChanged(parentOf(path), parent, path, "delete");
    this.#onEvent(events.deleted, path, node.acl);
    this.#onEvent(events.childrenChanged, parentOf(path), parent.acl);
  }

  setData(path: string, data: Buffer, who: readonly Identity[] | "admin"): void {
    const node = this.#allowed(path, permission.write, who);
    this.tick();
    Object.assign(node, { data, mzxid: this.#zxid, mtime: this.#now(), version: node.version + 1 });
    this.#onEvent(events.dataChanged, path, node.acl);
  }

  /** Nobody hears of it. */
  setAcl(path: string, acl: Acl, who: readonly Identity[] | "admin"): void {
    const node = this.#allowed(path, permission.admin, who);
    this.tick();
    Object.assign(node, { acl, aversion: node.aversion + 1 });
  }

  /** Without a right, as `exists` is. */
  has(path: string): boolean {
    return this.#nodes.has(path);
  }

  data(path: string, who: readonly Identity[] | "admin"): Buffer {
    return this.#allowed(path, permission.read, who).data;
  }

  children(path: string, who: readonly Identity[] | "admin"): readonly string[] {
    return [...this.#allowed(path, permission.read, who).children];
  }

  /** As it is written on the wire. */
  stat(path: string): Buffer {
    const node = this.#get(path);
    const times = [long(node.czxid), long(node.mzxid), long(node.ctime), long(node.mtime)];
    const versions = [int(node.version), int(node.cversion), int(node.aversion)];
    const sizes = [long(node.owner), int(node.data.length), int(node.children.size), long(node.pzxid)];
    return Buffer.concat([...times, ...versions, ...sizes]);
  }

  ownedBy(owner: bigint): readonly string[] {
    return [...this.#nodes].filter(([, node]) => node.owner === owner).map(([path]) => path);
  }

  #fresh(data: Buffer, acl: Acl, owner: bigint): Znode {
    const [zxid, now] = [this.#zxid, this.#now()];
    const counts = { version: 0, cversion: 0, aversion: 0 };
    const times = { czxid: zxid, mzxid: zxid, pzxid: zxid, ctime: now, mtime: now };
    return { data, acl, owner, children: new Set(), ...times, ...counts };
  }

  #childrenChanged(path: string, parent: Znode, child: string, how: "add" | "delete"): void {
    parent.children[how](child.slice(path === "/" ? 1 : path.length + 1));
    parent.pzxid = this.#zxid;
    parent.cversion++;
  }

  #get(path: string): Znode {
    const node = this.#nodes.get(path);
    if (node === undefined) throw new ZnodeError(errors.noNode);
    return node;
  }

  #allowed(path: string, perms: number, who: readonly Identity[] | "admin"): Znode {
    const node = this.#get(path);
    if (!isAllowed(node.acl, perms, who)) throw new ZnodeError(errors.noAuth);
    return node;
  }
}

export const parentOf = (path: string): string => path.slice(0, path.lastIndexOf("/")) || "/";

/** Source: org.apache.zookeeper.common.PathUtils.validatePath, which goes by halves of surrogate pairs. */
function isLegal(path: string): boolean {
  const codes = Array.from({ length: path.length }, (_, at) => path.charCodeAt(at));
  const isOdd = codes.some((code) => oddCharacters.some(([first, last]) => code >= first && code <= last));
  const segments = path.split("/").slice(1);
  return path.startsWith("/") && !isOdd && segments.every((one) => !["", ".", ".."].includes(one));
}

const oddCharacters = [
  [0, 0x1e],
  [0x80, 0x9e],
  [0xd801, 0xf8fe],
  [0xfff1, 0xfffe],
] as const;
