import type { RegistryHubSpec } from "../../src/model/registryhub.ts";
import type { FaultProxy } from "../bed/fault-proxy.ts";

/** One instance of a service. Instances with one address are one process: they have one connection to the registry. */
export interface Provider {
  readonly service: string;
  readonly address: string;
  readonly port: number;
}

/** A provider that is a process of its own and registers by itself. */
export interface RealProvider extends AsyncDisposable {
  readonly provider: Provider;
  /** kill -9 and a new process at the same address. */
  restart(): Promise<void>;
}

/**
 * A real server of one registry type whose outages are played, with the providers that are registered in it. Those live:
 * they keep their sessions up and register again after an outage the way the type's real providers do.
 */
export interface OutageRegistry extends AsyncDisposable {
  /** What a hub needs to read it through `proxy`. */
  readonly spec: Pick<RegistryHubSpec, "type" | "address" | "nacos" | "eureka" | "consul">;
  /** What the hub's Secret holds, where the operator has to log in: the same for every registry of the type. */
  readonly login?: Partial<Record<"username" | "password" | "token", string>>;
  readonly proxy: FaultProxy;
  /** For how long a session or lease outlives its provider at most, in ms. */
  readonly sessionMs: number;
  /** By how much settling is shortened: as much as the time in which the registry's providers come back. */
  readonly settleFactor: number;
  /** The same for a story with a real provider, if that one comes back no sooner than in production. */
  readonly realSettleFactor?: number;
  /** Within this long the status says why the registry is not read, in ms. */
  readonly tellMs: number;
  /** Whether its services speak Dubbo, so that each host has an EnvoyFilter. */
  readonly speaksDubbo: boolean;
  /** The host of a service's entry in a namespace. */
  hostOf(service: string, namespace: string): string;
  /** Returns once they are registered. */
  register(providers: readonly Provider[]): Promise<void>;
  /** As at an orderly end of theirs. The registry must be up. */
  deregister(providers: readonly Provider[]): Promise<void>;
  /** They end while the registry is down, and never come back. */
  bury(providers: readonly Provider[]): Promise<void>;
  /** Starts a real provider. */
  startProvider(): Promise<RealProvider>;
  /** kill -9. */
  kill(): Promise<void>;
  /** SIGTERM; returns when it has ended. */
  stop(): Promise<void>;
  /**
   * Starts it again, with its data or without any. Returns when it serves.
   * Without data none of its providers comes back before {@link refill}.
   */
  start(options?: { readonly wipe?: boolean }): Promise<void>;
  /** SIGSTOP and SIGCONT. */
  freeze(): void;
  resume(): void;
  /** After a loss of data: makes the living providers of these services come back. */
  refill(services: readonly string[]): Promise<void>;
  /** Takes from the operator the right to read anything, and gives it back. */
  revokeAll(): Promise<void>;
  grantAll(): Promise<void>;
  /** The same for single services; absent where the registry has no such rights. */
  readonly rightsToServices?: {
    revoke(services: readonly string[]): Promise<void>;
    grant(services: readonly string[]): Promise<void>;
  };
}

/** Where the registries of one type come from. */
export interface Registries extends AsyncDisposable {
  /** An empty one; `own` = its server is nobody else's, so that it may be killed, frozen and emptied. */
  open(options: { readonly own: boolean }): Promise<OutageRegistry>;
}
