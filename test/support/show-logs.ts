import { beforeEach } from "vitest";
import type { ControllerProcess } from "./controllers.ts";

const SHOWN_LINES = 60;

/** Called once in a file or a describe: prints the end of each controller's log after every test that fails. */
export function showLogsOnFailure(controllers: () => readonly ControllerProcess[]): void {
  beforeEach(({ onTestFailed }) => {
    onTestFailed(() => {
      for (const { name, readLog } of controllers()) {
        const lines = readLog().trim().split("\n").slice(-SHOWN_LINES);
        process.stderr.write(`--- the end of the log of ${name}\n${lines.join("\n")}\n`);
      }
    });
  });
}
