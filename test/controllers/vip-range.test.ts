import { describe, expect, test } from "vitest";
import { addressesOf, entryOf, said, statusOf } from "./looks.ts";
import { openSettled, two } from "./scenes.ts";
import { home, minute, second, type World } from "./world.ts";

const entries = { resource: "serviceentries" } as const;
const problemsOf = (world: World) => statusOf(world).problems;
const vipOf = (world: World, service: string) => entryOf(world, service)?.spec.addresses;

describe("an instance whose address is in --vip-cidr", () => {
  const options = { vipCidr: "10.43.0.0/16" };
  const refused = expect.stringMatching(/^BadAddress: .* is in --vip-cidr, the range of virtual IPs;/);

  test("is no endpoint, and one that has nothing else makes no entry", async () => {
    const services = {
      "demo.A": ["10.42.0.1:20880", "10.43.0.7:20880"],
      "demo.B": ["10.43.0.8:20880"],
      "demo.C": ["64:ff9b::10.43.0.9:20880"],
    };
    const world = await openSettled({ services, options });
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.1:20880"]);
    expect([entryOf(world, "demo.B"), entryOf(world, "demo.C")]).toEqual([undefined, undefined]);
    expect(problemsOf(world)).toEqual([
      { at: "demo.A 10.43.0.7:20880", problem: refused, severity: "rejected" },
      { at: "demo.B 10.43.0.8:20880", problem: refused, severity: "rejected" },
      { at: "demo.C [64:ff9b::a2b:9]:20880", problem: refused, severity: "rejected" },
    ]);
    expect(said(world)).toMatchObject({ phase: "success", Applied: "True Applied" });
  });

  test("stays if it was there before the range was, until it is not registered any more", async () => {
    const services = { "demo.A": ["10.42.0.1:20880", "10.43.0.7:20880"], "demo.B": ["10.43.0.8:20880"] };
    const world = await openSettled({ services });
    const { length: written } = world.api.writes(entries);
    await world.hubController.restart(options);
    await world.advance(10 * minute);
    expect(world.api.writes(entries).slice(written)).toEqual([]);
    expect(problemsOf(world).map(({ severity }) => severity)).toEqual(["warning", "warning"]);
    world.registry().lists({ ...services, "demo.B": ["10.43.0.8:20880", "10.43.0.9:20880"] });
    await world.advance(second);
    expect(addressesOf(world, "demo.B")).toEqual(["10.43.0.8:20880"]);
    world.registry().lists({ ...services, "demo.A": ["10.42.0.1:20880"] });
    await world.advance(second);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.1:20880"]);
    await world.advance(minute);
    expect(problemsOf(world)).toEqual([expect.objectContaining({ at: "demo.B 10.43.0.8:20880" })]);
  });
});

describe("a virtual IP that the operator chose from an earlier --vip-cidr", () => {
  test("does not move, nor when somebody deletes its entry", async () => {
    const world = await openSettled({ services: two, options: { vipCidr: "10.99.0.0/16" } });
    const before = vipOf(world, "demo.A");
    expect(before).toEqual([expect.stringMatching(/^10\.99\./)]);
    const { length: written } = world.api.writes(entries);
    await world.hubController.restart({ vipCidr: "240.241.0.0/16" });
    await world.advance(10 * minute);
    expect(world.api.writes(entries).slice(written)).toEqual([]);
    world.person.delete("serviceentries", `${home}/${entryOf(world, "demo.A")?.metadata.name}`);
    await world.advance(minute);
    expect(vipOf(world, "demo.A")).toEqual(before);
  });

  test("is no licence for somebody to write another", async () => {
    const world = await openSettled({ services: two });
    const before = vipOf(world, "demo.A");
    world.person.edit("serviceentries", `${home}/${entryOf(world, "demo.A")?.metadata.name}`, (object) => ({
      ...object,
      spec: { ...object.spec, addresses: ["10.96.0.1"] },
    }));
    await world.advance(minute);
    expect(vipOf(world, "demo.A")).toEqual(before);
  });
});
