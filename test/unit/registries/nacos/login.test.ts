import { describe, expect, test } from "vitest";
import type { Credentials } from "../../../../src/model/hub.ts";
import { createLogin, type Login } from "../../../../src/registries/nacos/login.ts";
import type { HttpAnswer } from "../../../../src/registries/transport/http-client.ts";
import { HttpError } from "../../../../src/registries/transport/http-error.ts";
import { fakeClock } from "../../../support/fake-clock.ts";
import { settle } from "./stage.ts";

const server = { host: "nacos", port: 8848, name: "nacos:8848", baseUrl: "http://nacos:8848/nacos" };
const user: Credentials = { username: "reader", password: "s3cret" };
const v3 = "http://nacos:8848/nacos/v3/auth/user/login";
const v1 = "http://nacos:8848/nacos/v1/auth/users/login";

type Said = number | HttpError | Partial<HttpAnswer> | "silence";

/** A Nacos that issues t1, t2, … for 100 s each, unless `says` knows better. */
function stage(credentials: Credentials, says: (url: string, nth: number) => Said = () => 200) {
  const clock = fakeClock();
  const asked: { readonly url: string; readonly fields: Readonly<Record<string, string>> }[] = [];
  const postForm = async (url: string, fields: Readonly<Record<string, string>>): Promise<HttpAnswer> => {
    asked.push({ url, fields });
    const said = says(url, asked.length);
    if (said instanceof HttpError) throw said;
    if (said === "silence") return new Promise(() => undefined);
    const status = typeof said === "number" ? said : 200;
    const text = JSON.stringify({ accessToken: `t${asked.length}`, tokenTtl: 100, globalAdmin: false });
    return { status, headers: {}, text, ...(typeof said === "object" && said) };
  };
  const login: Login = createLogin({ postForm }, server, credentials, { clock, random: () => 0.5 });
  return { clock, asked, login, urls: () => asked.map(({ url }) => url) };
}

describe("a login", () => {
  test("sends user and password in the form, once for all who ask", async () => {
    const { login, asked } = stage(user);
    expect(await Promise.all([login.token(), login.token(), login.token()])).toEqual(["t1", "t1", "t1"]);
    expect(asked).toEqual([{ url: v3, fields: user }]);
  });

  test.each([404, 405, 410, 501])("goes to the older path after HTTP %i, and stays there", async (status) => {
    const { login, urls, clock } = stage(user, (url) => (url === v3 ? status : 200));
    expect(await login.token()).toBe("t2");
    clock.advance(101_000);
    expect(await login.token()).toBe("t3");
    expect(urls()).toEqual([v3, v1, v1]);
  });

  test("is made again at 80 to 90 % of the token's life, and nobody waits for it", async () => {
    const { login, clock, asked } = stage(user);
    await login.token();
    clock.advance(84_000);
    expect(await login.token()).toBe("t1");
    expect(asked).toHaveLength(1);
    clock.advance(2_000);
    expect(await login.token()).toBe("t1");
    await settle();
    expect(await login.token()).toBe("t2");
    expect(asked).toHaveLength(2);
  });

  test("that has no answer is tried again every 30 s, while the old token is good", async () => {
    const { login, clock, asked } = stage({ ...user, password: "long" }, (_, nth) =>
      nth === 1 ? { text: JSON.stringify({ accessToken: "t1", tokenTtl: 1_000 }) } : "silence",
    );
    await login.token();
    clock.advance(860_000);
    for (let second = 0; second < 100; second++) {
      expect(await login.token()).toBe("t1");
      clock.advance(1_000);
    }
    expect(asked).toHaveLength(2); // the second one still waits
  });

  test("that cannot be made again leaves a token that is still good", async () => {
    const { login, clock } = stage(user, (_, nth) =>
      nth === 1 ? 200 : new HttpError("unreachable", "gone"),
    );
    await login.token();
    clock.advance(99_000);
    expect(await login.token()).toBe("t1");
    clock.advance(2_000);
    await expect(login.token()).rejects.toMatchObject({ code: "RegistryUnreachable" });
  });

  test("is made again when a token is refused, once for all", async () => {
    const { login, clock, asked } = stage(user);
    await login.token();
    clock.advance(20_000);
    expect(await Promise.all([login.renew("t1"), login.renew("t1")])).toEqual(["t2", "t2"]);
    expect(await login.renew("t1")).toBe("t2");
    expect(asked).toHaveLength(2);
  });

  test("is not made again and again", async () => {
    const { login, asked } = stage(user);
    await login.token();
    expect(await login.renew("t1")).toBeUndefined();
    expect(asked).toHaveLength(1);
  });

  test.each([
    ["wrong password, 2.3.2 and 3.1.0", 403, "RegistryUnauthorized", ": the server refused it (HTTP 403)"],
    [
      "unknown user 2.3.2, wrong password 3.1.0",
      500,
      "RegistryUnauthorized",
      ": the server refused it (HTTP 500)",
    ],
    ["no admin yet", 412, "RegistryUnauthorized", ": the server refused it (HTTP 412)"],
    ["starting", 503, "RegistryUnreachable", ": HTTP 503"],
    ["too much to do", 429, "RegistryUnreachable", ": HTTP 429"],
    ["a proxy's", 502, "RegistryUnreachable", ": HTTP 502"],
    ["no login at all", 404, "RegistryBadResponse", ": HTTP 404"],
    ["HTML", { text: "<html>" }, "RegistryBadResponse", ": the answer is not JSON"],
    [
      "no token",
      { text: '{"accessToken":""}' },
      "RegistryBadResponse",
      ": the answer does not have the form of a Nacos server's",
    ],
    [
      "no answer",
      new HttpError("unreachable", "connection refused"),
      "RegistryUnreachable",
      ": connection refused",
    ],
    [
      "no HTTP",
      new HttpError("bad-answer", "the answer is not HTTP"),
      "RegistryBadResponse",
      ": the answer is not HTTP",
    ],
    ["no PEM", new HttpError("bad-tls-options", "ca.crt is not PEM"), "SecretInvalid", ": ca.crt is not PEM"],
    [
      "redirected",
      { status: 301, headers: { location: "https://nacos/login?s3cret" } },
      "RegistryBadResponse",
      ": HTTP 301, redirected to https://nacos",
    ],
  ] as const)("%s", async (_, said, code, detail) => {
    const { login } = stage(user, () => said);
    const error = await login.token().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code, detail: expect.stringMatching(/^login at nacos:8848/) });
    expect(error).toHaveProperty(
      "detail",
      `login at nacos:8848${detail.startsWith(":") ? "" : " "}${detail}`,
    );
    expect(String(error)).not.toMatch(/s3cret|reader/);
  });
});

describe("without a login", () => {
  test("there is no token, or the Secret's", async () => {
    for (const [credentials, token] of [
      [{}, undefined],
      [{ token: "fixed" }, "fixed"],
    ] as const) {
      const { login, asked } = stage(credentials);
      expect(await login.token()).toBe(token);
      expect(await login.renew(token)).toBeUndefined();
      expect(asked).toEqual([]);
    }
  });

  test.each<Credentials>([{ username: "reader" }, { password: "s3cret" }, { token: "s3cret\n" }])(
    "a Secret that cannot be used",
    async (credentials) => {
      const error = await stage(credentials)
        .login.token()
        .catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: "SecretInvalid" });
      expect(String(error)).not.toContain("s3cret");
    },
  );
});
