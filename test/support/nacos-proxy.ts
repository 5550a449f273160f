import { type FaultProxy, startProxy } from "../bed/fault-proxy.ts";
import { freePort } from "./free-port.ts";

const GRPC_OFFSET = 1000;

/** One proxy in front of a Nacos' HTTP and gRPC ports, which are as far apart as clients expect. Its counts are gRPC's. */
export async function startNacosProxy(port: number): Promise<FaultProxy> {
  await using starting = new AsyncDisposableStack();
  const ownPort = await freePort([GRPC_OFFSET]);
  const http = starting.use(await startProxy("127.0.0.1", port, { port: ownPort }));
  const grpc = starting.use(
    await startProxy("127.0.0.1", port + GRPC_OFFSET, { port: ownPort + GRPC_OFFSET }),
  );
  const owned = starting.move();
  const both = [http, grpc] as const;
  const each = (act: (one: FaultProxy) => void): void => {
    for (const one of both) act(one);
  };
  return {
    address: http.address,
    port: http.port,
    get accepted() {
      return grpc.accepted;
    },
    get open() {
      return http.open + grpc.open;
    },
    get answeredBytes() {
      return grpc.answeredBytes;
    },
    get swallowedBytes() {
      return grpc.swallowedBytes;
    },
    cut: () => each((one) => one.cut()),
    refuse: async () => void (await Promise.all(both.map((one) => one.refuse()))),
    stall: () => each((one) => one.stall()),
    swallow: () => each((one) => one.swallow()),
    trickle: (bytesPerSecond) => each((one) => one.trickle(bytesPerSecond)),
    heal: async () => void (await Promise.all(both.map((one) => one.heal()))),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
