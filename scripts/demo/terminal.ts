const isColoured = process.stdout.isTTY && !process.env.NO_COLOR;
const style =
  (code: number) =>
  (text: string): string =>
    isColoured ? `\u001b[${code}m${text}\u001b[0m` : text;
const [bold, dim, green, cyan] = [1, 2, 32, 36].map(style) as [Style, Style, Style, Style];
type Style = (text: string) => string;

/** Everything the demo says goes to stdout, in these few forms. */
export const terminal = {
  title(text: string): void {
    print(`\n${bold(text)}\n${dim("─".repeat(text.length))}`);
  },
  step(number: number, of: number, title: string): void {
    print(`\n${cyan(`${number}/${of}`)}  ${bold(title)}`);
  },
  say(text: string): void {
    print(`\n${text}`);
  },
  /** A command as the reader could type it, and what it printed. */
  command(line: string, output: string): void {
    print(`\n  ${bold(`$ ${line}`)}`);
    const lines = output.trimEnd().split("\n");
    for (const one of lines) print(`  ${dim(one)}`.trimEnd());
  },
  /** Something that runs now. */
  started(text: string): void {
    print(`  ${green("✓")} ${text}`);
  },
  /** What was really seen. */
  observed(text: string): void {
    print(`\n  ${green("✓")} ${text}`);
  },
};

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
