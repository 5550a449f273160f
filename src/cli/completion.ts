import { Argument, type Command, type Option } from "commander";

const description = `Print a script that completes commands and flags.

  bash:  source <(registryhub completion bash)
  zsh:   source <(registryhub completion zsh)
  kubectl completes its plugins by bin/kubectl_complete-registryhub, which has to be on PATH.`;

/** What may follow the words of a command. */
interface Place {
  /** The words, each after a slash: "/hold/release"; "" = none yet. */
  readonly path: string;
  /** Commands and flags. */
  readonly words: readonly string[];
  /** By flag: what its value may be; [] = anything. */
  readonly values: ReadonlyMap<string, readonly string[]>;
}

/** Adds `completion` to the program, and the hidden command that kubectl asks. */
export function addCompletion(program: Command): void {
  program
    .command("completion")
    .addArgument(new Argument("<shell>").choices(["bash", "zsh"]))
    .summary("Print a script for the shell that completes commands and flags.")
    .description(description)
    .action((shell: "bash" | "zsh") => void process.stdout.write(scriptFor(shell, placesOf(program))));
  program
    .command("__complete [words...]", { hidden: true })
    .allowUnknownOption()
    .helpOption(false)
    .action((words: readonly string[]) => void process.stdout.write(answerFor(words, placesOf(program))));
}

/** The program's own tree of commands. */
function placesOf(command: Command, path = ""): readonly Place[] {
  const visible = command
    .createHelp()
    .visibleCommands(command)
    .filter((one) => one.name() !== "help");
  const options = command.createHelp().visibleOptions(command);
  const namesOf = ({ short, long }: Option): readonly string[] => [short, long].filter((one) => one != null);
  const taking = options.filter((one) => one.required);
  return [
    {
      path,
      words: [
        ...visible.map((one) => one.name()),
        ...command.registeredArguments.flatMap((one) => one.argChoices ?? []),
        ...options.flatMap(namesOf),
      ],
      values: new Map(taking.flatMap((one) => namesOf(one).map((name) => [name, one.argChoices ?? []]))),
    },
    ...visible.flatMap((one) => placesOf(one, `${path}/${one.name()}`)),
  ];
}

/** What kubectl's protocol wants: candidates, and that files are none (4). Source: k8s.io/kubectl/pkg/cmd/plugin/plugin_completion.go. */
function answerFor(words: readonly string[], places: readonly Place[]): string {
  const begun = words.slice(0, -1);
  const path = begun.reduce((at, word) => (find(places, `${at}/${word}`) ? `${at}/${word}` : at), "");
  const place = find(places, path);
  const candidates = place?.values.get(begun.at(-1) ?? "") ?? place?.words ?? [];
  const fitting = candidates.filter((one) => one.startsWith(words.at(-1) ?? ""));
  return [...fitting, ":4"].map((line) => `${line}\n`).join("");
}

const find = (places: readonly Place[], path: string): Place | undefined =>
  places.find((one) => one.path === path);

/** zsh runs functions of bash if it is told to; there `path` and `words` are not for us to set. */
function scriptFor(shell: "bash" | "zsh", places: readonly Place[]): string {
  const commands = places.filter(({ path }) => path !== "").map(({ path }) => path);
  const words = places.map(({ path, words: all }) => `    "${path}") candidates="${all.join(" ")}" ;;`);
  const values = places.flatMap(({ path, values: byFlag }) =>
    [...byFlag].map(([flag, all]) => `    "${path} ${flag}") candidates="${all.join(" ")}" ;;`),
  );
  const start =
    shell === "zsh"
      ? "autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n"
      : "";
  return `${start}_registryhub() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD - 1]}" at="" candidates="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$at/\${COMP_WORDS[i]}" in
    ${commands.join(" | ")}) at="$at/\${COMP_WORDS[i]}" ;;
    esac
  done
  case "$at" in
${words.join("\n")}
  esac
  case "$at $prev" in
${values.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$candidates" -- "$cur"))
}
complete -F _registryhub registryhub kubectl-registryhub
`;
}
