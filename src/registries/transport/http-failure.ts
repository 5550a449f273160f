import { RegistryError } from "../../model/errors.ts";
import { HttpError } from "./http-error.ts";

/** Statuses of a server that is starting or overloaded, or of a proxy whose server is down. */
export const notNow: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/**
 * The RegistryError for a request (`doing`) that got no answer from this kind of server ("a Nacos server"). Returns
 * any error that is not an HttpError as it is.
 */
export function httpFailure(doing: string, error: unknown, server: string): unknown {
  if (!(error instanceof HttpError)) return error;
  const detail = `${doing}: ${error.message}`;
  const options = { cause: error };
  switch (error.kind) {
    case "unreachable": {
      const advice = "Check spec.address.";
      return new RegistryError("RegistryUnreachable", detail, advice, options);
    }
    case "bad-answer": {
      const advice = `Check that spec.address points to ${server}.`;
      return new RegistryError("RegistryBadResponse", detail, advice, options);
    }
    case "bad-tls-options": {
      const advice = "Check that ca.crt, tls.crt and tls.key of the Secret are PEM.";
      return new RegistryError("SecretInvalid", detail, advice, options);
    }
  }
}
