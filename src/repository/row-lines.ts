// Rows of COPY text and their keys, where whole rows lie in one buffer (segments are cut on row boundaries). The text of
// the key fields is the key: the same value always prints the same.

const newline = 0x0a;
const tab = 0x09;

/** `onRow` gets the key's text, and where the row begins and ends (behind its newline). */
export function forEachRow(
  text: Buffer,
  keyColumnCount: number,
  onRow: (key: string, start: number, end: number) => void,
): void {
  for (let start = 0; start < text.length;) {
    const lineEnd = text.indexOf(newline, start);
    const end = lineEnd < 0 ? text.length : lineEnd;
    let keyEnd = start - 1;
    for (let field = 0; field < keyColumnCount && keyEnd < end; field++) {
      const at = text.indexOf(tab, keyEnd + 1);
      keyEnd = at < 0 || at > end ? end : at;
    }
    onRow(text.toString("latin1", start, keyEnd), start, end + 1);
    start = end + 1;
  }
}
