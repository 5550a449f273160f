import { expect, test } from "vitest";
import { listedHosts, messageOf, said, writesSince } from "./looks.ts";
import { hostsOf, openSettled, two } from "./scenes.ts";
import { hub, hubKey, minute, openWorld, second, type World } from "./world.ts";

const spec = { secretRef: { name: "login" } };

const putSecret = ({ person }: World, stringData: Readonly<Record<string, string>>): unknown =>
  person.put({
    apiVersion: "v1",
    kind: "Secret",
    metadata: { namespace: "demo", name: "login" },
    data: base64(stringData),
  });

const base64 = (data: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString("base64")]));

const credentialsOf = (world: World): readonly unknown[] =>
  world.registry().opened.map(({ credentials }) => credentials);

/** A hub with a Secret, listed and believed. */
async function openWithSecret(): Promise<World> {
  const world = openWorld();
  world.registry().lists(two);
  putSecret(world, { username: "u", password: "one" });
  world.person.put(hub(spec));
  await world.hubController.start();
  await world.advance(2 * minute);
  return world;
}

test("a Secret is what its hub's registry is opened with", async () => {
  const world = await openWithSecret();
  expect(credentialsOf(world)).toEqual([{ username: "u", password: "one" }]);
  expect(said(world)).toMatchObject({ phase: "success", Ready: "True Ready" });
});

test("one that is missing is said, and used as soon as the next try finds it", async () => {
  const world = await openSettled({ spec });
  expect(said(world)).toMatchObject({ phase: "failed", Ready: "False SecretInvalid" });
  expect(messageOf(world, "Ready")).toContain("Secret demo/login does not exist");
  expect(world.registry().opened).toEqual([]);
  putSecret(world, { token: "t" });
  await world.advance(31 * second);
  expect(credentialsOf(world)).toEqual([{ token: "t" }]);
  expect(listedHosts(world)).toEqual(hostsOf(two));
  expect(said(world)).toMatchObject({ phase: "success", Ready: "True Ready" });
});

test("one that holds a token of the cluster itself goes to no registry, and a copy of it does (I15)", async () => {
  const world = openWorld();
  world.registry().lists(two);
  const type = "kubernetes.io/service-account-token";
  const token = { namespace: "demo", name: "login" };
  world.person.put({ apiVersion: "v1", kind: "Secret", metadata: token, type, data: base64({ token: "t" }) });
  world.person.put(hub(spec));
  await world.hubController.start();
  await world.advance(1 * minute);
  expect(world.registry().opened).toEqual([]);
  expect(said(world)).toMatchObject({ phase: "failed", Ready: "False SecretInvalid" });
  expect(messageOf(world, "Ready")).toMatch(
    /Secret demo\/login is of type kubernetes.io.* a Secret of type Opaque/,
  );
  world.person.delete("secrets", "demo/login");
  putSecret(world, { token: "t" });
  await world.advance(31 * second);
  expect(credentialsOf(world)).toEqual([{ token: "t" }]);
});

test("one that lacks a key, or may not be read, is said without any of its values", async () => {
  const world = openWorld();
  world.registry().lists(two);
  putSecret(world, { password: "hidden" });
  world.person.put(hub(spec));
  await world.hubController.start();
  await world.advance(1 * second);
  expect(messageOf(world, "Ready")).toContain("has the key password but not username");
  world.api.forbid({ resource: "secrets" });
  await world.advance(1 * minute);
  expect(said(world)).toMatchObject({ phase: "failed", Ready: "False SecretInvalid" });
  expect(messageOf(world, "Ready")).toContain('cannot get resource "secrets"');
  expect(JSON.stringify(world.api.writes())).not.toContain("hidden");
  expect(JSON.stringify(world.hubController.log)).not.toContain("hidden");
});

test("one that is rotated is used within 5 minutes, and costs no write to any entry", async () => {
  const world = await openWithSecret();
  const before = world.writes().length;
  putSecret(world, { username: "u", password: "two" });
  await world.advance(5 * minute);
  expect(credentialsOf(world).at(-1)).toEqual({ username: "u", password: "two" });
  await world.advance(10 * minute);
  expect(credentialsOf(world)).toHaveLength(2);
  expect(writesSince(world, before)).toEqual([]);
});

test("one that becomes unreadable leaves the connection alone", async () => {
  const world = await openWithSecret();
  world.person.delete("secrets", "demo/login");
  await world.advance(20 * minute);
  expect(world.registry().isWatched).toBe(true);
  expect(said(world)).toMatchObject({ phase: "success", Ready: "True Ready" });
  expect(world.hubController.log.map(({ message }) => message)).toContain(
    "secret not readable, keeping the connection",
  );
});

test("another Secret is another login to the same registry, at once", async () => {
  const world = await openWithSecret();
  world.person.put({
    apiVersion: "v1",
    kind: "Secret",
    metadata: { namespace: "demo", name: "new" },
    data: base64({ token: "n" }),
  });
  world.person.edit("registryhubs", hubKey, (object) => ({
    ...object,
    spec: { ...object.spec, secretRef: { name: "new" } },
  }));
  await world.advance(1 * second);
  expect(credentialsOf(world).at(-1)).toEqual({ token: "n" });
  expect(listedHosts(world)).toEqual(hostsOf(two));
});
