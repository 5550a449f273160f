import type { ProviderProcess } from "../../test/bed/provider-process.ts";

/** What the story needs of a type of registry: one file per type implements it. */
export interface DemoRegistry {
  /** As people write it. */
  readonly name: string;
  /** What its servers and providers need of the bed: rows of test/bed/assets.ts. */
  readonly assets: readonly string[];
  /** The manifest that is applied, relative to the repository. */
  readonly sample: string;
  /** Of the hub in the sample. */
  readonly hub: string;
  /** Where the sample's hub lives and generates to. */
  readonly namespace: string;
  /** Host of the service that its providers register, as the mesh calls it. */
  readonly host: string;
  /** Name of the ServiceEntry for it. */
  readonly serviceEntry: string;
  /** Whether its providers speak Dubbo, so that there are EnvoyFilters to tell of. */
  readonly speaksDubbo: boolean;
  /** An address of the registry's form at which there is none. */
  readonly brokenAddress: string;
  /** The Spring application that this type's story has besides; undefined = Dubbo is all it tells of. */
  readonly spring?: DemoSpring;
  /** Starts the real server. */
  start(): Promise<RunningRegistry>;
}

export interface DemoSpring {
  /** As the mesh calls it; its ServiceEntry has the same name. */
  readonly host: string;
  /** Starts a real application that registers itself at `address` under `ip`; returns once it has. */
  start(address: string, ip: string): Promise<DemoProvider>;
}

export interface RunningRegistry extends AsyncDisposable {
  /** What goes into spec.address. */
  readonly address: string;
  /** Starts a real provider that registers itself under `ip`; returns once it has. */
  startProvider(ip: string): Promise<DemoProvider>;
}

export interface DemoProvider extends AsyncDisposable {
  /** "ip:port", as registered. */
  readonly endpoint: string;
  /** Ends as a rolling update ends it: it deregisters first. */
  stop(): Promise<void>;
}

/** A process of the test bed. */
export function demoProvider(process: ProviderProcess): DemoProvider {
  return {
    endpoint: `${process.host}:${process.port}`,
    stop: () => process.stop(),
    [Symbol.asyncDispose]: () => process[Symbol.asyncDispose](),
  };
}
