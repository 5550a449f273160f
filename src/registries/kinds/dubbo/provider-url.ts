/** The parts of a Dubbo URL, as spelled: `scheme://[user[:password]@]host[:port][/path][?key=value[&key=value]]`. */
export interface ProviderUrl {
  readonly scheme: string;
  /** IPv6 without brackets. */
  readonly host: string;
  /** As written; "" = none. */
  readonly port: string;
  readonly parameters: ReadonlyMap<string, string>;
}

/**
 * Reverses Java's `URLEncoder.encode`, which Dubbo applies once to each path segment; `+` is a space.
 * undefined = the text has a malformed escape.
 * Source: apache/dubbo, dubbo-common URL.encode/decode; ZookeeperRegistry.toUrlPath.
 */
export function decodeSegment(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment.replaceAll("+", " "));
  } catch {
    return undefined; // Only URIError is possible; the caller reports the entry.
  }
}

/**
 * Splits a decoded Dubbo URL. undefined = it is not one. It does not use `new URL`, which lower-cases, escapes and
 * refuses what Dubbo writes: values are raw and may hold `=`, `:`, `/` and `,`. The last of repeated keys counts.
 * Source: apache/dubbo, dubbo-common URLStrParser.
 */
export function parseProviderUrl(text: string): ProviderUrl | undefined {
  const [base, query] = cut(text, "?");
  const [, scheme, rest] = /^([a-zA-Z][a-zA-Z0-9+.-]*):\/\/(.*)$/s.exec(base) ?? [];
  if (scheme === undefined || rest === undefined) return undefined;
  const authority = cut(rest, "/")[0];
  const hostPort = authority.slice(authority.lastIndexOf("@") + 1);
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(.*))?$/s.exec(hostPort) ?? [];
  const host = bracketed ?? plain;
  // A doubly escaped text could put a query or a password into a message.
  if (host === undefined || /[%?=&@]/.test(bracketed === undefined ? hostPort : (port ?? "")))
    return undefined;
  let parameters: ReadonlyMap<string, string> | undefined;
  return {
    scheme,
    host: copyOf(host),
    port: port ?? "",
    get parameters() {
      parameters ??= parseParameters(query); // not everybody asks
      return parameters;
    },
  };
}

/** Copies the text: V8 makes a part of a text a view of the whole, so each address would keep its URL in memory. */
const copyOf = (text: string): string => Buffer.from(text).toString();

function parseParameters(query: string): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  for (let start = 0; start < query.length; ) {
    const next = query.indexOf("&", start);
    const end = next < 0 ? query.length : next;
    const sign = query.indexOf("=", start);
    const keyEnd = sign < 0 || sign > end ? end : sign;
    if (keyEnd > start) parameters.set(query.slice(start, keyEnd), query.slice(keyEnd + 1, end));
    start = end + 1;
  }
  return parameters;
}

/** The parts before and after the first `separator`. */
function cut(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + separator.length)];
}
