import type { HubControllerOptions } from "../../src/controllers/hub/controller.ts";
import type { RegistryHub } from "../../src/model/registryhub.ts";
import type { Listed } from "../fakes/registries.ts";
import { hub, hubKey, minute, openWorld, second, type World } from "./world.ts";

/** Two services of one instance each. */
export const two: Services = { "demo.A": ["10.42.0.1:20880"], "demo.B": ["10.42.0.2:20880"] };

const names = Array.from({ length: 10 }, (_, at) => `demo.S${at}`);
/** Ten of them: enough for the brake to have an opinion. */
export const ten: Services = Object.fromEntries(names.map((name, at) => [name, [`10.42.0.${at + 1}:20880`]]));

export type Services = Readonly<Record<string, Listed>>;

/** The hosts of services in `demo`, sorted. */
export const hostsOf = (services: Services): readonly string[] =>
  Object.keys(services)
    .map((name) => `${name.toLowerCase()}.demo`)
    .sort();

/** All but the first `count` services. */
export const without = (services: Services, count: number): Services =>
  Object.fromEntries(Object.entries(services).slice(count));

/** As `kubectl edit`: these fields of the spec are others from now on. */
export const edit = (world: World, spec: Partial<RegistryHub["spec"]>): RegistryHub =>
  world.person.edit("registryhubs", hubKey, (object) => ({ ...object, spec: { ...object.spec, ...spec } }));

interface Scene {
  readonly services?: Services;
  readonly spec?: Partial<RegistryHub["spec"]>;
  readonly options?: Partial<HubControllerOptions>;
}

/** One hub, whose registry has been listed long enough to be believed, and the hub-controller. */
export async function openSettled({ services = two, spec = {}, options = {} }: Scene = {}): Promise<World> {
  const world = openWorld();
  world.registry().lists(services);
  world.person.put(hub(spec));
  await world.hubController.start(options);
  await world.advance(2 * minute);
  return world;
}

/** The same with the dubbo-controller, so that services of Dubbo have their filters. */
export async function openServed(scene: Scene = {}): Promise<World> {
  const world = await openSettled(scene);
  await world.dubboController.start();
  await world.advance(2 * second);
  return world;
}
