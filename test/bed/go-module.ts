import { withProgress } from "./progress.ts";
import { run } from "./run.ts";
import { temporaryFolder } from "./watchdog.ts";

/** A version of a Go module that is wanted for the files in it. */
export interface PinnedModule {
  /** `<path>@<version>`. */
  readonly module: string;
  /** As go.sum has it. */
  readonly sum: string;
}

/** The folder of the module in Go's own cache; downloaded the first time. @throws Error when it is not the one that is pinned. */
export async function goModuleFolder({ module, sum }: PinnedModule): Promise<string> {
  await using folder = temporaryFolder("go"); // outside of any Go module
  const answer = await withProgress(`downloading ${module}`, () =>
    run("go", ["mod", "download", "-json", module], { cwd: folder.path, env: { GOWORK: "off" } }),
  );
  const { Dir, Sum } = JSON.parse(answer) as { Dir: string; Sum: string };
  if (Sum !== sum) throw new Error(`${module} has the checksum ${Sum} instead of ${sum}; check GOPROXY`);
  return Dir;
}
