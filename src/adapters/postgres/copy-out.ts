// COPY … TO STDOUT as raw row bytes, read straight from the connection's socket.
//
// pg-copy-streams was tried first: it makes a buffer object for every row, which cost a quarter of a backup's CPU (a row
// is one protocol message). Here a chunk of the socket is cleared of its message headers in place and handed on.
import type { Socket } from "node:net";
import { PooledSocket } from "./pooled-socket.ts";

/** What `pg` calls on a query that it was given; the protocol is PostgreSQL's, "Message Formats". */
interface PgConnection {
  readonly stream: Socket;
  query(text: string): void;
}

type SocketListener = (chunk: Buffer) => void;

const code = { copyData: 0x64, copyDone: 0x63, copyOutResponse: 0x48, notice: 0x4e, parameter: 0x53, notify: 0x41 };
const passedOver: ReadonlySet<number> = new Set([code.copyOutResponse, code.notice, code.parameter, code.notify]);
const headerBytes = 5;
/** Read ahead of the consumer; then the socket is left alone, and with it the server. */
const maxQueuedBytes = 2 * 1024 * 1024;

export class CopyOut implements AsyncIterable<Buffer> {
  private readonly text: string;
  private connection: PgConnection | null = null;
  private parser: SocketListener | null = null;
  private readonly header = Buffer.alloc(headerBytes);
  private headerFilled = 0;
  private message = 0;
  private remaining = 0;
  private readonly queue: Buffer[] = [];
  private queuedBytes = 0;
  private state: "running" | "ended" | "failed" = "running";
  private failure: unknown = null;
  private wake: (() => void) | null = null;

  constructor(text: string) {
    this.text = text;
  }

  /** Whether the server is done with it, well or not. */
  get isOver(): boolean {
    return this.state !== "running";
  }

  /** Ends the rows with an error; for a connection that is gone, which `pg` would report as an end. */
  fail(error: unknown): void {
    if (this.state !== "running") return;
    this.state = "failed";
    this.failure = error;
    this.release(Buffer.alloc(0));
    this.wake?.();
  }

  /** A chunk is the consumer's until it asks for the next. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    for (;;) {
      const chunk = this.queue.shift();
      if (chunk !== undefined) {
        this.queuedBytes -= chunk.buffer.byteLength;
        if (this.queuedBytes < maxQueuedBytes / 2 && this.parser !== null) this.connection?.stream.resume();
        yield chunk;
        this.giveBack(chunk);
      } else if (this.state === "failed") {
        throw this.failure;
      } else if (this.state === "ended") {
        return;
      } else {
        await new Promise<void>((resolve) => (this.wake = resolve));
        this.wake = null;
      }
    }
  }

  // What follows is called by `pg`.

  submit(connection: PgConnection): void {
    this.connection = connection;
    const [parser] = connection.stream.listeners("data") as SocketListener[];
    if (parser === undefined) throw new Error("pg reads its socket in another way than this version knows");
    this.parser = parser;
    if (connection.stream instanceof PooledSocket) {
      connection.stream.reader = this.take;
    } else {
      connection.stream.removeListener("data", parser);
      connection.stream.on("data", this.take);
    }
    connection.query(this.text);
  }

  handleError(error: unknown): void {
    this.fail(error);
  }

  handleCommandComplete(): void {}

  handleReadyForQuery(): void {
    if (this.state === "running") this.fail(new Error("COPY ended without its end message"));
  }

  private readonly take = (chunk: Buffer): void => {
    const rows = this.unframe(chunk);
    if (rows.length > 0) {
      this.queue.push(rows);
      this.queuedBytes += rows.buffer.byteLength; // what it keeps from being used again
      if (this.queuedBytes > maxQueuedBytes && this.parser !== null) this.connection?.stream.pause();
    } else {
      this.giveBack(chunk);
    }
    this.wake?.();
  };

  /** The row bytes of a chunk, moved together at its beginning. */
  private unframe(chunk: Buffer): Buffer {
    let at = 0;
    let filled = 0;
    while (at < chunk.length) {
      if (this.remaining === 0) {
        if (this.headerFilled === 0 && chunk.length - at >= headerBytes) {
          this.message = chunk[at] as number;
          this.remaining = chunk.readUInt32BE(at + 1) - 4;
          at += headerBytes;
        } else {
          const copied = chunk.copy(this.header, this.headerFilled, at, at + headerBytes - this.headerFilled);
          this.headerFilled += copied;
          at += copied;
          if (this.headerFilled < headerBytes) break;
          this.message = this.header[0] as number;
          this.remaining = this.header.readUInt32BE(1) - 4;
          this.headerFilled = 0;
        }
        if (this.message === code.copyDone) {
          this.state = "ended";
          this.release(chunk.subarray(at));
          break;
        }
        if (this.message !== code.copyData && !passedOver.has(this.message)) {
          this.release(Buffer.concat([this.currentHeader(), chunk.subarray(at)]));
          break;
        }
      }
      const bytes = Math.min(this.remaining, chunk.length - at);
      if (this.message === code.copyData) {
        chunk.copyWithin(filled, at, at + bytes);
        filled += bytes;
      }
      at += bytes;
      this.remaining -= bytes;
    }
    return chunk.subarray(0, filled);
  }

  /** An error, or anything else that is not COPY's, is for `pg` to read, from its first byte. */
  private currentHeader(): Buffer {
    const header = Buffer.alloc(headerBytes);
    header[0] = this.message;
    header.writeUInt32BE(this.remaining + 4, 1);
    return header;
  }

  private giveBack(chunk: Buffer): void {
    const stream = this.connection?.stream;
    if (stream instanceof PooledSocket) stream.giveBack(chunk);
  }

  /** Gives the socket back to `pg`, with the bytes that are its. */
  private release(rest: Buffer): void {
    const { connection, parser } = this;
    if (connection === null || parser === null) return;
    this.parser = null;
    if (connection.stream instanceof PooledSocket) {
      connection.stream.reader = null;
    } else {
      connection.stream.removeListener("data", this.take);
      connection.stream.on("data", parser);
    }
    if (rest.length > 0) parser(Buffer.from(rest)); // a copy: rows of the same chunk are still to be read
    connection.stream.resume();
  }
}
