import type { EnvoyAdmin } from "../bed/envoy-admin.ts";

/** What went through a sidecar: sums of Envoy's statistics over all that the mesh made of registries. */
export type Figures = Readonly<Record<keyof typeof statistics, number>>;

const statistics = {
  "Dubbo calls": /^dubbo\..*\.request$/,
  "of them failed": /^dubbo\..*\.(local_)?response_error$/,
  "HTTP requests": /^cluster\.outbound\|.*\.upstream_rq_completed$/,
  "connections to providers": /^cluster\.outbound\|.*\.upstream_cx_total$/,
  "listeners changed": /^listener_manager\.listener_in_place_updated$/,
  "configurations refused": /update_rejected$/,
} as const;

/** As of now, since it started. */
export async function readFigures({ stats }: Pick<EnvoyAdmin, "stats">): Promise<Figures> {
  const sums = Object.entries(statistics).map(async ([name, names]) => {
    const found = [...(await stats(names))].filter(([each]) => !each.includes(".external.")); // counted twice
    return [name, found.reduce((sum, [, count]) => sum + count, 0)] as const;
  });
  return Object.fromEntries(await Promise.all(sums)) as Figures;
}

/** Prints what came between, a line for the table of docs/testing.md. */
export function tellFigures(story: string, before: Figures, after: Figures): void {
  const names = Object.keys(after) as (keyof Figures)[];
  const parts = names.map((name) => `${after[name] - before[name]} ${name}`);
  process.stdout.write(`mesh: ${story}: ${parts.join(", ")}\n`);
}
