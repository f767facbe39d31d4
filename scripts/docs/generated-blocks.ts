// A generated part stands between `<!-- generated: name -->` and `<!-- end -->`; everything else is written by hand.
export type Generator = () => Promise<string>;

const block = /(<!-- generated: ([\w-]+) -->\n)([\s\S]*?)(<!-- end -->)/g;

export async function fillBlocks(
  text: string,
  generators: Readonly<Record<string, Generator>>,
): Promise<{ filled: string; unknown: string[] }> {
  const unknown: string[] = [];
  const pieces: string[] = [];
  let after = 0;
  for (const match of text.matchAll(block)) {
    const [whole, start = "", name = "", , end = ""] = match;
    const generate = Object.hasOwn(generators, name) ? generators[name] : undefined;
    if (generate === undefined) unknown.push(name);
    const body = generate === undefined ? whole : `${start}\n${(await generate()).trim()}\n\n${end}`;
    pieces.push(text.slice(after, match.index), body);
    after = match.index + whole.length;
  }
  return { filled: [...pieces, text.slice(after)].join(""), unknown };
}
