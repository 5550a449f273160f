import { readFile } from "node:fs/promises";
import { Agent, request } from "undici";
import { objectPath, type Resource } from "../../src/kube/resources.ts";
import type { KubeObject } from "../../src/model/kubernetes.ts";
import type { ApiServer } from "../../test/bed/api-server.ts";

/** How many writes the operator has in flight by default. */
export const inFlight = 16;

/** What any program would do that only writes: the floor. */
export interface BareClient extends AsyncDisposable {
  /** Server-side apply. @throws Error with the server's answer when it is not a success. */
  apply(resource: Resource, object: KubeObject): Promise<void>;
}

/** undici with the connections that the operator has, and nothing else. */
export async function bareClient(api: ApiServer): Promise<BareClient> {
  const dispatcher = new Agent({
    connections: inFlight,
    connect: { ca: await readFile(api.caFile, "utf8") },
  });
  const headers = {
    authorization: `Bearer ${api.adminToken}`,
    "content-type": "application/apply-patch+yaml",
    accept: "application/json",
  };
  return {
    async apply(resource, object) {
      const url = `${api.url}${objectPath(resource, object.metadata)}?fieldManager=bare&force=true`;
      const body = JSON.stringify(object);
      const answer = await request(url, { method: "PATCH", headers, body, dispatcher });
      const text = await answer.body.text();
      if (answer.statusCode >= 300) throw new Error(`PATCH ${url}: ${answer.statusCode} ${text}`);
    },
    [Symbol.asyncDispose]: () => dispatcher.destroy(),
  };
}
