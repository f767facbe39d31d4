// Rows as COPY text, collected by table, with values that are awkward to keep: microseconds, text with tabs and line ends.
import { escapeCopyText } from "../domain/copy-text.ts";
import type { Random } from "./random.ts";
import { sentences } from "./words.ts";

export type TableText = string[];

type Value = string | number | boolean | null;

const encode = (value: Value): string => {
  if (value === null) return "\\N";
  if (typeof value === "boolean") return value ? "t" : "f";
  return typeof value === "number" ? String(value) : escapeCopyText(value);
};
export const textArray = (values: readonly string[]): string =>
  `{${values.map((value) => `"${value.replaceAll(/["\\]/g, (c) => `\\${c}`)}"`).join(",")}}`;
export const pad = (number: number): string => String(number).padStart(2, "0");

export class SampleRows {
  rows = 0;
  bytes = 0;
  readonly random: Random;
  private texts = new Map<string, TableText>();

  constructor(random: Random) {
    this.random = random;
  }

  /** What was made since the last call. */
  take(): ReadonlyMap<string, TableText> {
    const { texts } = this;
    this.texts = new Map();
    this.bytes = 0;
    return texts;
  }

  add(table: string, values: readonly Value[]): void {
    const line = `${values.map(encode).join("\t")}\n`;
    const lines = this.texts.get(table);
    if (lines === undefined) this.texts.set(table, [line]);
    else lines.push(line);
    this.rows += 1;
    this.bytes += line.length;
  }

  /** A comment names its subject by a type and an id, without a foreign key. */
  comment(type: string, subjectId: string): void {
    this.add("comments", [this.random.uuid(), type, subjectId, this.random.pick(sentences), this.moment()]);
  }

  /** Microseconds, some of them with trailing zeros. */
  moment(): string {
    const { random } = this;
    const fraction = random.chance(0.5) ? `.${String(random.below(1_000_000)).padStart(6, "0")}` : ".100000";
    return `${2024 + random.below(4)}-${pad(1 + random.below(12))}-${pad(1 + random.below(28))} ${pad(random.below(24))}:${pad(random.below(60))}:${pad(random.below(60))}${fraction}+00`;
  }

  day(): string {
    return `${2025 + this.random.below(3)}-${pad(1 + this.random.below(12))}-${pad(1 + this.random.below(28))}`;
  }
}
