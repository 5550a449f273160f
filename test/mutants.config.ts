import { defineConfig } from "vitest/config";
import type { TestSequencer, TestSpecification } from "vitest/node";

/** Units first: a mutant that one of them notices need not be played in a whole controller. */
class UnitsFirst implements TestSequencer {
  sort(files: TestSpecification[]): TestSpecification[] {
    return files.toSorted((one, other) => rank(one) - rank(other));
  }
  shard(): never {
    throw new Error("mutants are not sharded");
  }
}

const rank = ({ moduleId }: TestSpecification): number => (moduleId.includes("/test/unit/") ? 0 : 1);

const { TESTS } = process.env;

/** The fast suite as `make mutants` runs it: thousands of times, so its files share the modules that they import. */
export default defineConfig({
  test: {
    include: TESTS ? TESTS.split(",") : ["test/{unit,golden,controllers}/**/*.test.ts"],
    exclude: ["test/controllers/containment.test.ts"], // it replaces modules, which would replace them for all
    isolate: false,
    sequence: { sequencer: UnitsFirst },
    testTimeout: 20_000,
    provide: { apiServer: "fake" },
  },
});
