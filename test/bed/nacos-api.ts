/** 2.3 is 2.3.2: v1 and v2 HTTP APIs. 3.1 is 3.1.0: v3, and of v1 only what clients use. */
export type NacosVersion = "2.3" | "3.1";

/** Who logs in. */
export interface NacosUser {
  readonly username: string;
  readonly password: string;
}

/** What somebody may do. */
export interface Permission {
  /** `<namespace>:<group>:<resource>`, each `*` for all. What is called the namespace `public` is the empty one in 2.3. */
  readonly resource: string;
  readonly action: "r" | "w" | "rw";
}

/** The part of a server's HTTP API that manages users, whichever version it has. */
export interface NacosApi {
  /** Once for new data: there is no administrator before, and nobody can log in. */
  createAdmin(): Promise<void>;
  createUser(user: NacosUser): Promise<void>;
  deleteUser(username: string): Promise<void>;
  grant(username: string, permission: Permission): Promise<void>;
  revoke(username: string, permission: Permission): Promise<void>;
  /** Sets the weight of an instance of a service in DEFAULT_GROUP of the namespace `public`, as the console does. 2.3 only. */
  setWeight(
    service: string,
    instance: { readonly ip: string; readonly port: number },
    weight: number,
  ): Promise<void>;
  /** Asks all clients but one to connect anew, as a server does that is scaled; within some seconds. */
  resetClients(): Promise<void>;
}

interface Paths {
  readonly admin: string;
  readonly login: string;
  readonly users: string;
  readonly roles: string;
  readonly permissions: string;
  readonly resetClients: readonly [method: string, path: string];
}

const PATHS: Readonly<Record<NacosVersion, Paths>> = {
  "2.3": {
    admin: "v1/auth/users/admin",
    login: "v1/auth/users/login",
    users: "v1/auth/users",
    roles: "v1/auth/roles",
    permissions: "v1/auth/permissions",
    resetClients: ["GET", "v2/core/loader/reloadCurrent"],
  },
  "3.1": {
    admin: "v3/auth/user/admin",
    login: "v3/auth/user/login",
    users: "v3/auth/user",
    roles: "v3/auth/role",
    permissions: "v3/auth/permission",
    resetClients: ["POST", "v3/admin/core/loader/reloadCurrent"],
  },
};

/** The users of the server on `127.0.0.1:port`, managed as `admin`. */
export function nacosApi(version: NacosVersion, port: number, admin: NacosUser): NacosApi {
  const paths = PATHS[version];
  const ask = (method: string, path: string, parameters: object) =>
    request(method, `http://127.0.0.1:${port}/nacos/${path}`, { ...parameters });
  const asAdmin = async (method: string, path: string, parameters: object) => {
    const { accessToken } = (await ask("POST", paths.login, admin)) as { accessToken: string };
    await ask(method, path, { ...parameters, accessToken });
  };
  return {
    async createAdmin() {
      await ask("POST", paths.admin, { password: admin.password });
    },
    async createUser(user) {
      await asAdmin("POST", paths.users, user);
      await asAdmin("POST", paths.roles, { username: user.username, role: roleOf(user.username) });
    },
    async deleteUser(username) {
      await asAdmin("DELETE", paths.roles, { username, role: roleOf(username) });
      await asAdmin("DELETE", paths.users, { username });
    },
    grant: (username, permission) =>
      asAdmin("POST", paths.permissions, { role: roleOf(username), ...permission }),
    revoke: (username, permission) =>
      asAdmin("DELETE", paths.permissions, { role: roleOf(username), ...permission }),
    async setWeight(serviceName, { ip, port: instancePort }, weight) {
      const instance = { serviceName, ip, port: instancePort, weight, ephemeral: true };
      await ask("PATCH", "v1/ns/instance", instance);
    },
    resetClients: () => asAdmin(...paths.resetClients, { count: 1 }),
  };
}

/** Rights belong to roles; each of our users has one of its own. */
function roleOf(username: string): string {
  return `role-of-${username}`;
}

/** @throws Error with what was answered, unless that is a success. */
async function request(method: string, url: string, parameters: Record<string, string>): Promise<unknown> {
  const response = await fetch(`${url}?${new URLSearchParams(parameters).toString()}`, { method });
  const text = await response.text();
  const failed = () => new Error(`Nacos: ${method} ${url} answered ${response.status}: ${text}`);
  if (!response.ok) throw failed();
  const body = (text.startsWith("{") ? JSON.parse(text) : {}) as { readonly code?: number };
  if (![undefined, 0, 200].includes(body.code)) throw failed(); // 3.1 answers some refusals with 200
  return body;
}
