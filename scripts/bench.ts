/**
 * `make bench TYPE=nacos` (or eureka, consul): what the operator costs and how soon it follows, on real servers, against a floor in the same
 * run. Takes minutes, and wants the machine for itself.
 */
import { benchConsul } from "./bench/consul.ts";
import { benchEureka } from "./bench/eureka.ts";
import { benchNacos } from "./bench/nacos.ts";
import { type Row, tableOf } from "./bench/table.ts";

const benches: Readonly<Record<string, () => Promise<readonly Row[]>>> = {
  nacos: async () => [...(await benchNacos("2.3")), ...(await benchNacos("3.1"))],
  eureka: async () => [...(await benchEureka(100)), ...(await benchEureka(1_000))],
  consul: async () => [
    ...(await benchConsul({ services: 100, changes: 100 })),
    ...(await benchConsul({ services: 1_000, changes: 100 })),
  ],
};

const { TYPE = "" } = process.env;
const bench = benches[TYPE];
if (bench === undefined) {
  process.stderr.write(`bench: TYPE=${TYPE} is not one of ${Object.keys(benches).join(", ")}\n`);
  process.exit(2);
}
process.stdout.write(`${tableOf(await bench())}\n`);
