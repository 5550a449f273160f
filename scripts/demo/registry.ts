/** What the story needs of a type of registry: one file per type implements it. */
export interface DemoRegistry {
  /** As people write it. */
  readonly name: string;
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
  /** An address of the registry's form at which there is none. */
  readonly brokenAddress: string;
  /** Starts the real server. */
  start(): Promise<RunningRegistry>;
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
