import type { Server } from "node:http";
import type { AddressInfo } from "node:net";

/** A listening server; disposing it closes every connection. */
export interface ListeningServer extends AsyncDisposable {
  /** The bound port. */
  readonly port: number;
}

/** Has the server listen. Port 0 binds any free port. @throws the system's error when the address cannot be bound. */
export async function listen(
  server: Server,
  bind: { readonly host?: string; readonly port: number },
): Promise<ListeningServer> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(bind, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
