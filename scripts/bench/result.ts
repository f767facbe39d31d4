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

export function resultTable({ measurements }: BenchResult): string {
  const rows = measurements.map((each) => {
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

export function describeResult(result: BenchResult): string {
  const { machine, versions, missingPeers, runs, data, size, date, command } = result;
  const used = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    resultTable(result),
    "",
    `\`${command}\` (${size}), ${date}: medians of ${runs} interleaved runs on ${machine.cores} cores (${machine.processor}), ${machine.memoryGb} GB. ` +
      `${Object.entries(data)
        .map(([name, value]) => `${name} ${value}`)
        .join(", ")}. ` +
      `${used.join(", ")}.${missingPeers.length === 0 ? "" : ` Not installed, and so not compared: ${missingPeers.join(", ")}.`}`,
  ].join("\n");
}
