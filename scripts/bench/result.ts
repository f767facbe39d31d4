// The result: a JSON document with every figure of every run, and one table for people.
import { cpus, totalmem } from "node:os";
import { markdownTable } from "../docs/markdown-table.ts";
import type { BenchSize } from "./bench-size.ts";
import { judge, median, type Measurement } from "./measurement.ts";

export interface BenchResult {
  readonly command: string;
  readonly size: BenchSize["name"];
  readonly runs: number;
  /** ISO 8601 date. */
  readonly date: string;
  readonly machine: { readonly cores: number; readonly memoryGb: number; readonly processor: string };
  readonly versions: Readonly<Record<string, string>>;
  readonly missingPeers: readonly string[];
  readonly data: Readonly<Record<string, number>>;
  readonly measurements: readonly Measurement[];
}

export const thisMachine = (): BenchResult["machine"] => ({
  cores: cpus().length,
  memoryGb: Math.round(totalmem() / 1024 ** 3),
  processor: cpus()[0]?.model ?? "unknown",
});

const figure = (value: number, unit: string): string => {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return Number.isNaN(value) ? "-" : `${value.toFixed(digits)} ${unit}`.replace(" 1/s", "/s");
};

export function resultTable(measurements: readonly Measurement[]): string {
  const rows = measurements.toSorted(byGoal).map((each) => {
    const { value, met } = judge(each);
    const { peer, unit, limit, ours } = each;
    const bound = limit === null ? "" : "atMost" in limit ? `≤ ${limit.atMost}` : `≥ ${limit.atLeast}`;
    const goal = limit === null ? "" : peer === null ? `${bound} ${unit === "1/s" ? "/s" : unit}` : `${bound} ×`;
    return [
      each.goal,
      each.work,
      figure(median(ours), unit),
      peer === null ? "" : `${peer.name}: ${figure(median(peer.figures), unit)}`,
      peer === null ? "" : `${value.toFixed(2)} ×`,
      goal,
      met === null ? "" : met ? "met" : "**missed**",
    ];
  });
  return markdownTable(["", "work", "ours", "peer or limit", "ratio", "goal", ""], rows);
}

/** P1 to P12 first, the others by their names. */
function byGoal({ goal: a }: Measurement, { goal: b }: Measurement): number {
  const group = (goal: string): string => goal.replace(/[0-9]+$/, "");
  return (
    Number(group(b) === "P") - Number(group(a) === "P") ||
    group(a).localeCompare(group(b)) ||
    Number(/[0-9]*$/.exec(a)?.[0]) - Number(/[0-9]*$/.exec(b)?.[0])
  );
}

function describeRun({ machine, versions, missingPeers, runs, data, size, date, command }: BenchResult): string {
  const list = (facts: Readonly<Record<string, string | number>>): string =>
    Object.entries(facts)
      .map(([name, value]) => `${name} ${value}`)
      .join(", ");
  const missing = missingPeers.length === 0 ? "" : ` Not installed, and so not compared: ${missingPeers.join(", ")}.`;
  return (
    `\`${command}\` (${size}), ${date}: medians of ${runs} interleaved runs on ${machine.cores} cores (${machine.processor}), ` +
    `${machine.memoryGb} GB. ${list(data)}. ${list(versions)}.${missing}`
  );
}

/** One table of all runs, and under it how each was made. */
export function describeResults(results: readonly BenchResult[]): string {
  const table = resultTable(results.flatMap(({ measurements }) => measurements));
  return [table, ...new Set(results.map(describeRun))].join("\n\n");
}
