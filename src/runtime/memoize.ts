/** `make`, which is not called again as long as it is asked with the very same arguments as the last time. */
export function memoizeLast<A extends readonly unknown[], R>(make: (...asked: A) => R): (...asked: A) => R {
  let last: { readonly asked: A; readonly result: R } | undefined;
  return (...asked) => {
    const isSame = last?.asked.every((one, at) => one === asked[at]);
    if (last === undefined || !isSame) last = { asked, result: make(...asked) };
    return last.result;
  };
}
