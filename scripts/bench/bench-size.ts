// How much is measured. `full` is what the goals are about; `quick` shows in two minutes that everything runs.
import { samplePresets, type SampleSize } from "../../src/samples/sample-size.ts";

export interface BenchSize {
  readonly name: "full" | "quick";
  /** Interleaved runs of everything; the figures are their medians. */
  readonly runs: number;
  readonly weddings: SampleSize;
  /** Multiplies the weddings of the one organization that is as large as they get. */
  readonly hugeFactor: number;
  /** Organizations of an ordinary size, for the rate of many. */
  readonly smallOrganizations: number;
  readonly media: { readonly files: number; readonly fileBytes: number };
  readonly writeLoadSeconds: number;
  /** Rows of the control tables under the facade's requests. */
  readonly jobs: number;
}

const { bench } = samplePresets;

export const benchSizes: Readonly<Record<BenchSize["name"], BenchSize>> = {
  full: {
    name: "full",
    runs: 5,
    weddings: bench,
    hugeFactor: 8_000,
    smallOrganizations: 1_000,
    media: { files: 250, fileBytes: 4_000_000 },
    writeLoadSeconds: 8,
    jobs: 1_000_000,
  },
  quick: {
    name: "quick",
    runs: 2,
    weddings: { ...bench, organizations: 12, bigFactor: 20 },
    hugeFactor: 60,
    smallOrganizations: 40,
    media: { files: 16, fileBytes: 1_000_000 },
    writeLoadSeconds: 2,
    jobs: 20_000,
  },
};
