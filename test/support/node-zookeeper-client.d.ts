/** The part of node-zookeeper-client 1.1.3 that zk-writer.ts uses. Source: its index.js; it brings no types. */
declare module "node-zookeeper-client" {
  type Done<T = void> = (error: Error | null, value: T) => void;

  interface Client {
    connect(): void;
    close(): void;
    getState(): { getName(): string };
    /** Not public; see zk-writer.ts, close. */
    readonly connectionManager: { connect: () => void; readonly socket?: { destroy(): void } };
    once(event: "connected" | "disconnected", listener: () => void): this;
    addAuthInfo(scheme: string, auth: Buffer): void;
    getSessionId(): Buffer;
    create(path: string, data: Buffer, acls: readonly ACL[], mode: number, done: Done<string>): void;
    mkdirp(path: string, done: Done<string>): void;
    remove(path: string, version: number, done: Done): void;
    removeRecursive(path: string, version: number, done: Done): void;
    setData(path: string, data: Buffer, version: number, done: Done<unknown>): void;
    setACL(path: string, acls: readonly ACL[], version: number, done: Done<unknown>): void;
    getData(path: string, done: Done<Buffer | undefined>): void;
    getChildren(path: string, done: Done<string[]>): void;
    getChildren(path: string, changed: () => void, done: Done<string[]>): void;
    transaction(): Transaction;
  }
  interface Transaction {
    create(path: string, data: Buffer, acls: readonly ACL[], mode: number): this;
    commit(done: Done<unknown>): void;
  }
  class Id {
    constructor(scheme: string, id: string);
  }
  class ACL {
    constructor(permission: number, id: Id);
  }
  function createClient(
    connectionString: string,
    options: { readonly sessionTimeout: number; readonly spinDelay: number; readonly retries: number },
  ): Client;
  const CreateMode: { readonly PERSISTENT: number; readonly EPHEMERAL: number };
  const Permission: { readonly ALL: number; readonly READ: number };

  const zookeeper: {
    createClient: typeof createClient;
    ACL: typeof ACL;
    Id: typeof Id;
    CreateMode: typeof CreateMode;
    Permission: typeof Permission;
  };
  export default zookeeper;
}
