// How a value is written in a field of COPY text, and read from one. NULL, which is no value, is "\N".
const escapes: Readonly<Record<string, string>> = {
  "\\": "\\\\",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
};
const unescapes = new Map(Object.entries(escapes).map(([plain, escaped]) => [escaped, plain]));

export const escapeCopyText = (text: string): string =>
  text.replaceAll(/[\\\b\f\n\r\t\v]/g, (each) => escapes[each] ?? each);

export const unescapeCopyText = (text: string): string =>
  text.replaceAll(/\\[\s\S]/g, (each) => unescapes.get(each) ?? each.slice(1));
