import { expect, test } from "vitest";
import { WantedServices, wantedService } from "../../../../src/controllers/hub/wanted-services.ts";
import type { Service } from "../../../../src/model/service.ts";
import { hubOf, instanceOf, serviceOf } from "../../../support/model.ts";

const hub = hubOf();
const spring = (
  name: string,
  instances: Service["instances"] = [instanceOf({ protocol: "http" })],
): Service => serviceOf({ name, kind: "spring", instances });

test.each<[string, Partial<Service>, string | undefined]>([
  ["could be read", {}, undefined],
  ["could not be read", { instances: "unknown" }, "a.B"],
  ["could be read in part", { isPartial: true }, "a.B"],
  [
    "a Spring service that could not be read",
    { kind: "spring", instances: "unknown" },
    "dubbozk/a.b.dubbozk",
  ],
  ["a Spring service that could be read in part", { kind: "spring", isPartial: true }, "dubbozk/a.b.dubbozk"],
])("%s", (_, service, unknown) => {
  expect(wantedService(serviceOf({ name: "a.B", ...service }), hub).unknown).toBe(unknown);
});

test("usable are the endpoints of the preferred protocol, host by host", () => {
  const instances = [
    instanceOf({ port: 1 }),
    instanceOf({ port: 2, protocol: "grpc" }),
    instanceOf({ port: 3, protocol: "grpc", version: "2" }),
    instanceOf({ port: 4, protocol: "grpc", version: "2" }),
    instanceOf({ port: 5, protocol: "tcp", version: "2" }),
  ];
  expect(wantedService(serviceOf({ instances }), hub).usable).toBe(3);
});

test("services that share a host are counted apart: it is there, and unknown, as long as one of them says so", () => {
  const services = new WantedServices();
  const put = (id: string, service: Service | undefined): void =>
    services.put(id, service && wantedService(service, hub));
  const host = "dubbozk/app.dubbozk";
  put("one", spring("APP"));
  put("two", spring("app"));
  expect([services.endpoints, services.byId.size, services.byHost.get(host)?.length]).toEqual([2, 2, 2]);
  put("one", spring("APP", "unknown"));
  put("two", spring("app", "unknown"));
  expect([services.endpoints, services.byHost.has(host), services.unknown.get(host)]).toEqual([0, false, 2]);
  put("one", spring("APP"));
  expect([services.endpoints, services.byHost.has(host), services.unknown.get(host)]).toEqual([1, true, 1]);
  put("two", undefined);
  expect([services.byId.size, services.unknown.size]).toEqual([1, 0]);
  put("one", undefined);
  put("one", undefined);
  expect([services.endpoints, services.byId.size, services.byHost.size]).toEqual([0, 0, 0]);
});
