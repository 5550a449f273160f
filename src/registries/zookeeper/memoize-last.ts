/**
 * `make`, with its last result cached: it runs again only when an argument is not the very same as in the last call.
 */
export function memoizeLast<A extends readonly unknown[], R>(make: (...asked: A) => R): (...asked: A) => R {
  let last: { readonly asked: A; readonly result: R } | undefined;
  return (...asked) => {
    const isSame = last?.asked.every((one, at) => one === asked[at]);
    if (last === undefined || !isSame) last = { asked, result: make(...asked) };
    return last.result;
  };
}
