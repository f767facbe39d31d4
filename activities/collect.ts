// Stage 4 (and 8 for files), collect: reads the next 32 MiB or so and puts them on the bench as one batch.
import { Context } from "@temporalio/activity";
import { BackupError } from "../src/domain/errors.ts";
import type { Bench } from "./bench.ts";
import type { BackupSession } from "./backup-session.ts";
import type { Batch, RawBatchSegment } from "./batch.ts";
import type { BatchKey, CollectedBatch } from "./contract.ts";
import { beatWhile } from "./heartbeat.ts";
import type { OrganizationProgress } from "./organization-progress.ts";
import { noFigures, Stopwatch } from "./stopwatch.ts";

/** zstd and upload work best on 8 MiB packs, which 32 MiB of rows become; a task each for less costs more than it gives. */
export const batchBytes = 32 * 1024 * 1024;
/** Estimates know nothing of files; a small organization with its photos should still be one batch. */
const leastBatchBytes = 8 * 1024 * 1024;

export async function collectBatch(bench: Bench, key: BatchKey): Promise<CollectedBatch> {
  const session = bench.session(key);
  const figures: Figures = { rows: 0, rawBytes: 0, reusedBytes: 0, fileBytes: 0, freshBytes: 0 };
  return await beatWhile(
    () => ({ batch: key.batch, rows: figures.rows, bytes: figures.rawBytes }),
    async () => {
      const inTurn = () => collectInTurn(bench, session, key.batch, figures);
      // When the one before failed, it is retried by its own activity.
      const turn = session.collecting.then(inTurn, inTurn);
      session.collecting = turn;
      return await turn;
    },
  );
}

interface Figures {
  rows: number;
  rawBytes: number;
  reusedBytes: number;
  fileBytes: number;
  freshBytes: number;
}

async function collectInTurn(
  bench: Bench,
  session: BackupSession,
  number: number,
  figures: Figures,
): Promise<CollectedBatch> {
  const collected = session.batches.get(number)?.collected;
  if (collected !== undefined) return collected; // the answer of an earlier attempt got lost
  if (number > 1 && !session.batches.has(number - 1)) {
    // Its predecessor failed and comes again; two batches must not change places.
    throw new BackupError("SourceUnreachable", `Batch ${number} waits for the one before it.`);
  }
  const { collector } = session;
  if (collector === null) throw new BackupError("Internal", "The session has no collector.");
  const over = AbortSignal.any([Context.current().cancellationSignal, session.ended]);
  const limit = Math.min(batchBytes, Math.max(leastBatchBytes, session.parts.estimatedBytes * 2));
  const reservation = await bench.reserve(limit, over);
  const reading = new Stopwatch("shared");
  session.watch = reading;
  const segments: RawBatchSegment[] = [];
  let last: boolean;
  try {
    last = await fill(session, collector, limit, over, figures, segments);
    collector.commit();
  } catch (error) {
    reservation.release();
    if (!session.ended.aborted) await collector.rewind();
    throw error;
  } finally {
    session.watch = null;
    reading.stop();
  }
  const unchanged = session.countUnchanged(collector);
  reading.bytesIn = figures.rawBytes - figures.fileBytes;
  reading.bytesOut = figures.freshBytes;
  const result: CollectedBatch = {
    rows: figures.rows + unchanged.rows,
    rawBytes: figures.rawBytes + unchanged.bytes,
    reusedBytes: figures.reusedBytes + unchanged.bytes,
    newSegments: segments.length,
    tablesDone: collector.tablesDone,
    filesDone: collector.filesDone,
    filesTotal: collector.filesTotal,
    last,
    collect: reading.figures(),
    media: collector.filesTotal > 0 ? { ...noFigures, bytesIn: figures.fileBytes, calls: 1 } : noFigures,
  };
  const batch: Batch = { content: { state: "raw", segments }, collected: result, reservation };
  if (segments.length === 0) reservation.release();
  else reservation.shrinkTo(figures.freshBytes);
  for (const { id } of segments) session.expected.add(id);
  session.batches.set(number, batch);
  return result;
}

/** @returns true when nothing is left to collect. */
async function fill(
  session: BackupSession,
  collector: OrganizationProgress,
  limit: number,
  over: AbortSignal,
  figures: Figures,
  segments: RawBatchSegment[],
): Promise<boolean> {
  const fresh = new Set<string>();
  while (figures.freshBytes < limit) {
    over.throwIfAborted();
    const next = await collector.next();
    over.throwIfAborted(); // a batch that lands on a closed session would keep its memory for ever
    if (next === undefined) return true;
    if (next === null) continue;
    figures.rows += next.rows;
    figures.rawBytes += next.raw.length;
    if (next.kind === "file") figures.fileBytes += next.raw.length;
    if (fresh.has(next.id) || session.holds(next.id)) {
      figures.reusedBytes += next.raw.length;
      continue;
    }
    fresh.add(next.id);
    segments.push(next);
    figures.freshBytes += next.raw.length;
  }
  return false;
}
