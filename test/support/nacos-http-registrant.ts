import type { Nacos } from "../bed/nacos.ts";
import type { NacosInstance } from "../bed/nacos-agent.ts";

/** Registers over HTTP as clients of 1.x do: an instance is well as long as its heart beats. Disposal ends all beats. */
export interface HttpRegistrant extends Disposable {
  /** Registers an instance, or goes on with one; without a heartbeat it is ill after {@link ILL_AFTER_MS}. */
  register(service: HttpService, instance: NacosInstance, beats: boolean): Promise<void>;
}

export interface HttpService {
  readonly namespace: string;
  readonly group: string;
  readonly name: string;
}

/** The server looks every 5 s. */
export const ILL_AFTER_MS = 2_000;
const BEAT_MS = 500;
const GONE_AFTER_MS = 600_000;

/** Registers as the server's administrator, if it has one. */
export function httpRegistrant({
  address,
  adminLogin,
}: Pick<Nacos, "address" | "adminLogin">): HttpRegistrant {
  const beats = new Map<string, NodeJS.Timeout>();
  const ask = async (method: string, path: string, parameters: Record<string, string>): Promise<string> => {
    const url = `http://${address}/nacos/v1/${path}?${new URLSearchParams(parameters).toString()}`;
    const response = await fetch(url, { method });
    const text = await response.text();
    if (!response.ok) throw new Error(`Nacos: ${method} ${path} answered ${response.status}: ${text}`);
    return text;
  };
  const token = async (): Promise<Record<string, string>> => {
    if (adminLogin === undefined) return {};
    const { accessToken } = JSON.parse(await ask("POST", "auth/users/login", { ...adminLogin })) as {
      accessToken: string;
    };
    return { accessToken };
  };
  return {
    async register({ namespace, group, name }, { ip, port, metadata = {} }, isBeating) {
      const key = JSON.stringify([namespace, group, name, ip, port]);
      clearInterval(beats.get(key));
      const where = {
        namespaceId: namespace,
        serviceName: `${group}@@${name}`,
        groupName: group,
        ip,
        port: String(port),
        ...(await token()),
      };
      const limits = {
        "preserved.heart.beat.interval": String(BEAT_MS),
        "preserved.heart.beat.timeout": String(ILL_AFTER_MS),
        "preserved.ip.delete.timeout": String(GONE_AFTER_MS),
      };
      if (!beats.has(key)) {
        await ask("POST", "ns/instance", { ...where, metadata: JSON.stringify({ ...metadata, ...limits }) });
      }
      const beat = (): void => void ask("PUT", "ns/instance/beat", where).catch(() => undefined); // the server is down
      beats.set(key, setInterval(isBeating ? beat : () => undefined, BEAT_MS).unref());
    },
    [Symbol.dispose]() {
      for (const timer of beats.values()) clearInterval(timer);
    },
  };
}
