/** The part of eureka-js-client 4.5.0 that the contract uses. Source: its README; it brings no types. */
declare module "eureka-js-client" {
  export class Eureka {
    constructor(config: {
      readonly instance: Readonly<Record<string, unknown>>;
      readonly eureka: Readonly<Record<string, unknown>>;
      readonly logger: Readonly<Record<"debug" | "info" | "warn" | "error", () => void>>;
    });
    /** Registers and fetches the list. */
    start(done: (error?: Error) => void): void;
    /** Deregisters. */
    stop(done: (error?: Error) => void): void;
    getInstancesByAppId(app: string): readonly { readonly ipAddr: string; readonly status: string }[];
  }
}
