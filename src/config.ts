import { type Option, options, type Reader } from "./config-options.ts";
import { boolean, isOthers } from "./config-values.ts";

type Name = keyof typeof options;
const names = Object.keys(options) as readonly Name[];

/** Every setting, parsed. Durations are in milliseconds; a setting of the other controller has its default. */
export type Config = { readonly [N in Name]: ReturnType<(typeof options)[N]["parse"]> } & {
  /** Where every Kubernetes tool looks that is given no `kubeconfig`: $KUBECONFIG, or else ~/.kube/config. */
  readonly defaultKubeconfigs: string;
};

/** The settings are unusable. `problems` holds one sentence per problem, and the message holds all of them. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.problems = problems;
  }
}

/** A setting as --help and the documentation show it. */
export interface Setting {
  /** "--vip-cidr <cidr>"; "--inbound-filters [true|false]" may stand alone. */
  readonly usage: string;
  readonly env: string;
  readonly default: string;
  readonly help: string;
  readonly commands: readonly Reader[];
}

/** The settings in the order of the table; those of one reader, or all. */
export function settings(reader?: Reader): readonly Setting[] {
  const all: readonly Option<unknown>[] = names.map((name) => options[name]);
  return all
    .filter((one) => reader === undefined || one.commands.includes(reader))
    .map((one) => ({
      usage: `--${one.flag} ${one.parse === boolean ? `[${one.value}]` : one.value}`,
      env: envOf(one.flag),
      default: one.default,
      help: one.help,
      commands: one.commands,
    }));
}

/**
 * The settings of a process: each from its flag, else its environment variable (empty = not set), else its default.
 * `flags` are raw values by flag name in camelCase, as commander returns them; `true` = a flag without a value.
 * @throws ConfigError with every problem at once, unknown REGISTRYHUB_ variables included.
 */
export function readConfig(
  flags: Readonly<Record<string, string | boolean | undefined>>,
  env: Readonly<Record<string, string | undefined>>,
): Config {
  const problems = unknownVariables(env).map(
    (name) => `${name}: unknown setting; docs/configuration.md lists all settings`,
  );
  const read = (one: Option<unknown>): unknown => {
    const flag = flags[camelCase(one.flag)];
    const [where, text] =
      flag === undefined
        ? [envOf(one.flag), env[envOf(one.flag)] || one.default]
        : [`--${one.flag}`, String(flag)];
    try {
      return one.parse(text);
    } catch (error) {
      problems.push(`${where}=${text}: ${(error as Error).message}`);
      return undefined;
    }
  };
  const config = Object.fromEntries(names.map((name) => [name, read(options[name])]));
  problems.push(...conflictsOf(config as Partial<Config>));
  if (problems.length > 0) throw new ConfigError(problems);
  const { KUBECONFIG, HOME } = env;
  return { ...config, defaultKubeconfigs: KUBECONFIG || (HOME ? `${HOME}/.kube/config` : "") } as Config;
}

/** What is wrong with settings that are right one by one. A setting that could not be read is undefined. */
function conflictsOf({ hubSelector, vipCidr = "240.0.0.0/4" }: Partial<Config>): readonly string[] {
  const isLane = hubSelector !== undefined && hubSelector.text !== "";
  return isLane && Number(vipCidr.split(".")[0]) < 240
    ? [
        `--vip-cidr=${vipCidr}: with --hub-selector it must lie in 240.0.0.0/4, because the process that serves a hub next must accept its virtual IPs`,
      ]
    : [];
}

const envPrefix = "REGISTRYHUB_";
const envOf = (flag: string): string => envPrefix + flag.toUpperCase().replaceAll("-", "_");
const camelCase = (flag: string): string => flag.replace(/-(\w)/g, (_, one: string) => one.toUpperCase());

function unknownVariables(env: Readonly<Record<string, string | undefined>>): string[] {
  const known = new Set(names.map((name) => envOf(options[name].flag)));
  return Object.keys(env)
    .filter((name) => name.startsWith(envPrefix) && !known.has(name))
    .filter((name) => !isOthers(name.slice(envPrefix.length)))
    .sort();
}
