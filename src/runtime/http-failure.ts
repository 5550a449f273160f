import { RegistryError } from "../model/errors.ts";
import { HttpError } from "./http-error.ts";

/** What it means for a registry of that product that `doing` got no answer. Whatever is not an HttpError is returned as it is. */
export function httpFailure(product: string, doing: string, error: unknown): unknown {
  if (!(error instanceof HttpError)) return error;
  const detail = `${doing}: ${error.message}`;
  const options = { cause: error };
  switch (error.kind) {
    case "unreachable": {
      const advice = "Check spec.address; the operator retries by itself.";
      return new RegistryError("RegistryUnreachable", detail, advice, options);
    }
    case "bad-answer": {
      const advice = `Check that spec.address is that of ${product}.`;
      return new RegistryError("RegistryBadResponse", detail, advice, options);
    }
    case "bad-tls-options": {
      const advice = "Check that ca.crt, tls.crt and tls.key of the Secret are PEM.";
      return new RegistryError("SecretInvalid", detail, advice, options);
    }
  }
}
