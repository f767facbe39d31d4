/** A name or a value may hold anything; a terminal must not obey it. */
export function printable(text: string, longest: number): string {
  const plain = text.replaceAll(/[\p{Cc}\p{Cf}]/gu, "·");
  return plain.length <= longest ? plain : `${plain.slice(0, longest - 1)}…`;
}
