// Every text in a value, however deep, and every run of bytes as text: what a search for a leak reads.
export function textsIn(value: unknown): string {
  const texts: string[] = [];
  const walk = (at: unknown): void => {
    if (typeof at === "string") texts.push(at);
    else if (at instanceof Uint8Array) texts.push(Buffer.from(at).toString("utf8"));
    else if (at instanceof Map) walk([...at]);
    else if (at !== null && typeof at === "object")
      for (const [name, inner] of Object.entries(at)) {
        texts.push(name);
        walk(inner);
      }
  };
  walk(value);
  return texts.join("\n");
}
