import { readFile } from "node:fs/promises";
import { changesAnswer, type History } from "../../controllers/hub/history.ts";
import type { Changes } from "../../model/change.ts";
import type { Clock } from "../../runtime/deps.ts";
import type { Answer, Route, Routes } from "../../runtime/local-server.ts";
import { inSlices, type Steps } from "../../runtime/slices.ts";
import { hubsAnswer } from "./hubs.ts";
import type { Knowledge } from "./knowledge.ts";
import { serviceAnswer } from "./service.ts";
import { servicesAnswer, servicesAsked } from "./services.ts";

/** What is looked into. */
export interface Source {
  readonly knowledge: Knowledge;
  readonly history: History;
}

const types = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
};

/** The files of src/page that browsers ask for. */
const files = [
  "page.css",
  "page.js",
  "answers.js",
  "elements.js",
  "hubs-view.js",
  "services-view.js",
  "picture.js",
  "icon.svg",
] as const;

/**
 * The page, what it shows, and the history. Everything is read at the moment in which somebody asks for it.
 * @param who as in Changes. @param folder of the page's files.
 */
export function pageRoutes(
  source: Source,
  who: Pick<Changes, "identity" | "lease">,
  folder: URL,
  clock: Pick<Clock, "now" | "monotonic">,
): Routes {
  const sliced =
    (stepsOf: (query: URLSearchParams) => Steps<unknown>): Route =>
    async (query, signal) => ({ json: await inSlices(stepsOf(query), clock, signal) });
  return {
    "/": () => file(folder, "index.html"),
    ...Object.fromEntries(files.map((name) => [`/${name}`, () => file(folder, name)])),
    "/api/hubs": sliced((query) =>
      hubsAnswer(source.knowledge, query.get("hub") ?? "", who.identity, clock.now()),
    ),
    "/api/services": sliced((query) => servicesAnswer(source.knowledge, servicesAsked(query))),
    "/api/service": sliced((query) => serviceAnswer(source.knowledge, query.get("host") ?? "")),
    "/changes": async (query) => ({ json: changesAnswer(source.history, who, query) }),
  };
}

async function file(folder: URL, name: string): Promise<Answer> {
  const ending = name.slice(name.lastIndexOf(".") + 1) as keyof typeof types;
  return { file: await readFile(new URL(name, folder)), type: types[ending] };
}
