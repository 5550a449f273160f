/** The command line names something that there is not, or that does not go together. The message says what to write. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
