import { describe, expect, test } from "vitest";
import * as z from "zod";
import { type Exchange, readAnswer, statusError } from "../../../../src/registries/transport/answers.ts";
import type { HttpAnswer } from "../../../../src/registries/transport/http-client.ts";
import { HttpError, httpFailure } from "../../../../src/registries/transport/http-error.ts";

const exchange = (answer: Partial<HttpAnswer>): Exchange<HttpAnswer> => ({
  doing: "GET /apps at eureka:8761",
  product: "a Eureka server",
  answer: { status: 200, headers: {}, text: "s3cret", ...answer },
});

describe("a status", () => {
  test.each<[number, string, string, RegExp]>([
    [401, "RegistryUnauthorized", "HTTP 401, the login is missing or not valid", /Secret/],
    [403, "RegistryUnauthorized", "HTTP 403, the account may not read it", /Secret/],
    [404, "RegistryBadResponse", "HTTP 404", /points to a Eureka server, and its path/],
    [410, "RegistryBadResponse", "HTTP 410", /its path/],
    [501, "RegistryBadResponse", "HTTP 501", /its path/],
    [429, "RegistryUnreachable", "HTTP 429", /is ready/],
    [500, "RegistryUnreachable", "HTTP 500", /is ready/],
    [503, "RegistryUnreachable", "HTTP 503", /is ready/],
    [418, "RegistryBadResponse", "HTTP 418", /points to a Eureka server/],
    [301, "RegistryBadResponse", "HTTP 301", /points to a Eureka server/],
  ])("%i", (status, code, what, nextStep) => {
    const error = statusError(exchange({ status }));
    expect(error).toMatchObject({ code, detail: `GET /apps at eureka:8761: ${what}` });
    expect(error.nextStep).toMatch(nextStep);
    expect(error.message).not.toContain("s3cret");
  });

  test("of a redirect names where it leads to, without a path or query", () => {
    const headers = { location: "https://sso.example/login?token=s3cret" };
    expect(statusError(exchange({ status: 302, headers }))).toMatchObject({
      detail: "GET /apps at eureka:8761: HTTP 302, redirected to https://sso.example",
      nextStep: "Write the address that it redirects to into spec.address.",
    });
  });

  test("from behind a redirect says so", () => {
    const error = statusError(exchange({ status: 401, redirectedTo: "https://sso.example" }));
    expect(error.detail).toMatch(/^GET \/apps at eureka:8761, redirected to https:\/\/sso.example: HTTP 401/);
  });

  test("may have the registry's own advice", () => {
    const advice = { unauthorized: "One.", notFound: "Two.", notReady: "Three." };
    expect([403, 404, 500].map((status) => statusError(exchange({ status }), advice).nextStep)).toEqual([
      "One.",
      "Two.",
      "Three.",
    ]);
  });
});

describe("an answer", () => {
  const schema = z.object({ name: z.string() });

  test("is read in its form", () => {
    expect(readAnswer(schema, exchange({ text: '{"name":"A"}' }))).toEqual({ name: "A" });
  });

  test.each([
    ["", "the answer is not JSON"],
    ["<s3cret/>", "the answer is not JSON"],
    ['{"name":["s3cret"]}', "the answer does not have the form of a Eureka server's"],
    ["null", "the answer does not have the form of a Eureka server's"],
  ])("%s is not quoted", (text, what) => {
    const read = () => readAnswer(schema, exchange({ text }));
    expect(read).toThrow(
      expect.objectContaining({
        code: "RegistryBadResponse",
        detail: `GET /apps at eureka:8761: ${what}`,
        message: expect.not.stringContaining("s3cret"),
      }),
    );
  });
});

test.each<[ConstructorParameters<typeof HttpError>[0], string, RegExp]>([
  ["unreachable", "RegistryUnreachable", /spec\.address/],
  ["bad-answer", "RegistryBadResponse", /a Eureka server/],
  ["too-large", "RegistryBadResponse", /--max-answer-bytes/],
  ["redirected", "RegistryBadResponse", /redirects to/],
  ["bad-tls-options", "SecretInvalid", /ca\.crt/],
  ["bad-header", "SecretInvalid", /line breaks/],
])("no answer at all: %s", (kind, code, nextStep) => {
  const error = httpFailure("GET /apps", new HttpError(kind, "why"), "a Eureka server");
  expect(error).toMatchObject({ code, detail: "GET /apps: why", nextStep: expect.stringMatching(nextStep) });
});
