import { onTestFailed } from "vitest";
import type { ControllerProcess } from "./controllers.ts";

const SHOWN_LINES = 60;

/** Prints the end of each controller's log if the test that calls this fails. */
export function showLogsOnFailure(...controllers: readonly ControllerProcess[]): void {
  onTestFailed(() => {
    for (const { name, readLog } of controllers) {
      const lines = readLog().trim().split("\n").slice(-SHOWN_LINES);
      process.stderr.write(`--- the end of the log of ${name}\n${lines.join("\n")}\n`);
    }
  });
}
