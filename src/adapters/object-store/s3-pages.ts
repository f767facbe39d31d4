// Listings come in pages. What ends too early looks like a store that holds less; a proxy's or a portal's empty answer, like
// one that holds nothing. So a listing is over only where the store says that it is.

/** Markers of where a page begins: the first is always there, but for the first page. */
type Markers = readonly [string | undefined, (string | undefined)?];

/**
 * Where the next page begins; null = this was the last. `begun`: where this one began.
 * @throws where the answer does not say which, or leads nowhere.
 */
export function nextPage(
  { IsTruncated }: { readonly IsTruncated?: boolean | undefined },
  next: Markers,
  begun: Markers,
): Markers | null {
  if (IsTruncated === false) return null;
  const [marker = ""] = next;
  const isSame = [0, 1].every((at) => (next[at] ?? "") === (begun[at] ?? ""));
  if (IsTruncated === undefined || marker === "" || isSame)
    throw Object.assign(new Error("a listing without its end"), { name: "IncompleteListing" });
  return next;
}
