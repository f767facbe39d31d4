// How the CLI speaks: data on stdout (one JSON document with --json), everything else on stderr.
import Table from "cli-table3";
import { BackupError, type ErrorCode } from "../domain/errors.ts";

export interface Output {
  readonly json: boolean;
  /** The command's result. */
  result(value: unknown, human: () => string): void;
  /** What goes on meanwhile. */
  say(line: string): void;
  /** One line that rewrites itself on a terminal; nothing elsewhere. */
  progress(line: string): void;
}

export function createOutput(options: { json: boolean }): Output {
  const isTerminal = process.stderr.isTTY && !options.json;
  let open = false;
  const closeLine = (): void => {
    if (open) process.stderr.write("\r\u001b[K");
    open = false;
  };
  return {
    json: options.json,
    result(value, human) {
      closeLine();
      process.stdout.write(options.json ? `${JSON.stringify(value, null, 2)}\n` : `${human()}\n`);
    },
    say(line) {
      closeLine();
      process.stderr.write(`${line}\n`);
    },
    progress(line) {
      if (!isTerminal) return;
      process.stderr.write(`\r\u001b[K${line}`);
      open = true;
    },
  };
}

/** @returns the exit code. */
export function reportError(error: unknown, options: { json: boolean }): number {
  const known =
    error instanceof BackupError ? error : new BackupError("Internal", unexpected(error), {}, { cause: error });
  const { code, message, details, kind } = known;
  if (options.json)
    process.stdout.write(
      `${JSON.stringify({ error: { code, message, details, retryable: kind.retryable } }, null, 2)}\n`,
    );
  else process.stderr.write(`\n${code}: ${message}\n${kind.retryable ? "Trying again later may help.\n" : ""}`);
  return kind.exitCode;
}

/** An error that has no name of ours: its class and place, not its words, which may quote data. */
function unexpected(error: unknown): string {
  if (!(error instanceof Error)) return "something that is not an error was thrown";
  const place =
    error.stack
      ?.split("\n")
      .find((line) => line.trimStart().startsWith("at "))
      ?.trim() ?? "";
  return `unexpected ${error.constructor.name} ${place}`;
}

type Rows = readonly (readonly string[])[];

const parts =
  "top top-mid top-left top-right bottom bottom-mid bottom-left bottom-right left left-mid mid mid-mid right right-mid";
const noLines = { ...Object.fromEntries(parts.split(" ").map((part) => [part, ""])), middle: "  " };
const isFigure = (cell: string): boolean => /^-?$|^[\d,.]+( (B|KiB|MiB|GiB|s|min)(\/s)?)?$/.test(cell);

/** Columns of figures stand to the right. `total` is set off by a line. */
export function table(head: readonly string[], rows: Rows, total?: readonly string[]): string {
  const all = total === undefined ? rows : [...rows, total];
  const drawn = new Table({
    chars: noLines,
    colAligns: head.map((_, column) => (all.every((row) => isFigure(row[column] ?? "")) ? "right" : "left")),
    style: { "padding-left": 0, "padding-right": 0, head: [], border: [] },
  });
  drawn.push([...head], ...all.map((row) => [...row]));
  const lines = drawn
    .toString()
    .split("\n")
    .map((line) => line.trimEnd());
  const rule = "─".repeat(Math.max(...lines.map((line) => line.length)));
  lines.splice(1, 0, rule);
  if (total !== undefined) lines.splice(-1, 0, rule);
  return lines.join("\n");
}

export function bytes(count: number): string {
  if (count < 1024) return `${count} B`;
  if (count < 1024 ** 2) return `${(count / 1024).toFixed(1)} KiB`;
  if (count < 1024 ** 3) return `${(count / 1024 ** 2).toFixed(1)} MiB`;
  return `${(count / 1024 ** 3).toFixed(2)} GiB`;
}

export const seconds = (milliseconds: number): string =>
  milliseconds < 120_000 ? `${(milliseconds / 1000).toFixed(2)} s` : `${(milliseconds / 60_000).toFixed(1)} min`;
export const rate = (count: number, milliseconds: number): string =>
  `${bytes(Math.round(count / Math.max(milliseconds / 1000, 0.001)))}/s`;
export const number = (count: number): string => count.toLocaleString("en");

export const usage = (message: string): BackupError => new BackupError("UsageInvalid" satisfies ErrorCode, message);
