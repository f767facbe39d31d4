// What a salvage could not read any more, said for people.
import type { Loss } from "../repository/salvage.ts";

export function describeLoss({ kind, name, rows, ofRows, segments, ofSegments, code, heldBy }: Loss): string {
  const what = kind === "file" ? `the file ${name}` : `${rows} of ${ofRows} rows of ${name}`;
  const why = kind === "file" ? code : `${segments} of ${ofSegments} segments, ${code}`;
  const where =
    heldBy === null
      ? "no other backup has it whole"
      : `backup ${heldBy.sequence} has it whole, as of ${heldBy.takenAt.slice(0, 19).replace("T", " ")} UTC`;
  return `LOST: ${what} (${why}); ${where}`;
}
