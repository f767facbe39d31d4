// Stage 4 (and 8 for files), collect: reads on and puts segments on the bench, until the batch holds enough for a pack.
import { Context } from "@temporalio/activity";
import { BackupError } from "../src/domain/errors.ts";
import { noFigures } from "../src/domain/progress.ts";
import { giveBackSegmentBuffer } from "../src/repository/segment-buffers.ts";
import type { Bench } from "./bench.ts";
import type { BackupSession } from "./backup-session.ts";
import { Batch } from "./batch.ts";
import type { BatchKey, CollectedBatch } from "./contract.ts";
import { beatWhile } from "./heartbeat.ts";
import type { OrganizationProgress } from "./organization-progress.ts";
import { Stopwatch } from "./stopwatch.ts";

/** What well-compressed rows may add up to: a lost batch is read again. */
const maxRawBytes = 128 * 1024 * 1024;
/** Collected ahead of compress, where one is at work. */
const windowBytes = 4 * 1024 * 1024;
/** Estimates know nothing of files; a small organization with its photos should still be one batch. A second is a full one. */
const leastBatchBytes = 8 * 1024 * 1024;
const worthReadingAheadBytes = 16 * 1024 * 1024;

/**
 * The last batch's answer waits for its compress: the run can do nothing with one and not the other, and what arrives
 * together wakes it once.
 */
export async function collectBatch(bench: Bench, key: BatchKey): Promise<CollectedBatch> {
  const session = bench.session(key);
  const figures = newFigures();
  const cancelled = Context.current().cancellationSignal;
  return await beatWhile(
    () => ({ batch: key.batch, rows: figures.rows, bytes: figures.rawBytes }),
    async () => {
      // Two are asked for at a time, and the server may hand the later one out first.
      const comesNext = () => key.batch === 1 || session.isCollected(key.batch - 1) || undefined;
      await session.until(comesNext, cancelled);
      const inTurn = () => collectInTurn(bench, session, key.batch, figures);
      // When the one before failed, it is retried by its own activity.
      const turn = session.collecting.then(inTurn, inTurn);
      session.collecting = turn;
      const collected = await turn;
      if (collected.last) await session.until(() => !session.compressing.has(key.batch) || undefined, cancelled);
      return collected;
    },
  );
}

/**
 * The first batch fills up while the run has yet to learn that there is a snapshot. Should it fail, the activity that asks
 * for the batch collects it again. A small organization's would be there before its compress is, and wake the run twice.
 */
export function collectFirstAhead(bench: Bench, session: BackupSession): void {
  if (session.parts.estimatedBytes < worthReadingAheadBytes) return;
  session.collecting = collectInTurn(bench, session, 1, newFigures());
  session.collecting.catch(() => {});
}

const noContent = { rows: 0, rawBytes: 0, reusedBytes: 0, fileBytes: 0, freshBytes: 0 };

/** Of one batch so far; `ids` are its own segments. */
type Figures = typeof noContent & { readonly ids: Set<string> };
const newFigures = (): Figures => ({ ...noContent, ids: new Set() });

interface FillOrder {
  readonly collector: OrganizationProgress;
  readonly number: number;
  readonly limit: number;
  readonly over: AbortSignal;
  readonly figures: Figures;
}

async function collectInTurn(
  bench: Bench,
  session: BackupSession,
  number: number,
  figures: Figures,
): Promise<CollectedBatch> {
  const collected = session.batches.get(number)?.collected ?? null;
  if (collected !== null) return collected; // the answer of an earlier attempt got lost
  const { collector } = session;
  if (collector === null) throw new BackupError("Internal", "The session has no collector.");
  const over = AbortSignal.any([Context.current().cancellationSignal, session.ended]);
  const first = Math.max(leastBatchBytes, session.parts.estimatedBytes * 2);
  const limit = number === 1 ? Math.min(bench.batchBytes, first) : bench.batchBytes;
  const reservation = await bench.reserve(limit, over);
  const reading = new Stopwatch("shared");
  session.watch = reading;
  const batch = new Batch(reservation);
  session.batches.set(number, batch);
  let last: boolean;
  try {
    last = await fill(session, batch, { collector, number, limit, over, figures });
    collector.commit();
  } catch (error) {
    // What a compress made of it goes with it: the batch begins anew.
    session.batches.delete(number);
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
    newSegments: figures.ids.size,
    tablesDone: collector.tablesDone,
    filesDone: collector.filesDone,
    filesTotal: collector.filesTotal,
    last,
    collect: reading.figures(),
    media: collector.filesTotal > 0 ? { ...noFigures, bytesIn: figures.fileBytes, calls: 1 } : noFigures,
  };
  batch.close(result);
  for (const id of figures.ids) session.expected.add(id);
  session.wake();
  return result;
}

/** @returns true when nothing is left to collect. */
async function fill(session: BackupSession, batch: Batch, order: FillOrder): Promise<boolean> {
  const { collector, number, limit, over, figures } = order;
  figures.ids.clear();
  Object.assign(figures, noContent);
  const hasRoom = (): true | undefined =>
    batch.pendingBytes <= windowBytes || !session.compressing.has(number) || undefined;
  while (batch.heldBytes < limit && figures.freshBytes < maxRawBytes) {
    over.throwIfAborted();
    const next = await collector.next();
    over.throwIfAborted(); // a batch that lands on a closed session would keep its memory for ever
    if (next === undefined) return true;
    if (next === null) continue;
    figures.rows += next.rows;
    figures.rawBytes += next.raw.length;
    if (next.kind === "file") figures.fileBytes += next.raw.length;
    if (figures.ids.has(next.id) || session.holds(next.id)) {
      figures.reusedBytes += next.raw.length;
      giveBackSegmentBuffer(next.raw);
      continue;
    }
    figures.ids.add(next.id);
    figures.freshBytes += next.raw.length;
    batch.add(next);
    session.wake();
    if (hasRoom() === undefined) await session.until(hasRoom, over);
  }
  return false;
}
