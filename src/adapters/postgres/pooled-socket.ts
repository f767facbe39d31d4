// A TCP socket that reads into buffers which are used again. Node's own gives a new one for each read: at the speed of COPY
// hundreds of megabytes, whose collection took as much CPU as compressing the rows.
import { Socket } from "node:net";

const bufferBytes = 256 * 1024;
const maxIdle = 16;
const idle: Buffer[] = [];

const takeBuffer = (): Buffer => idle.pop() ?? Buffer.allocUnsafeSlow(bufferBytes);

export class PooledSocket extends Socket {
  /** Gets what arrives, instead of the "data" listeners; the chunk is its own until it gives it back. */
  reader: ((chunk: Buffer) => void) | null = null;

  constructor() {
    const onread = { buffer: takeBuffer, callback: (bytes: number, buffer: Uint8Array) => this.deliver(bytes, buffer) };
    super({ onread });
  }

  giveBack(chunk: Buffer): void {
    if (chunk.buffer.byteLength === bufferBytes && idle.length < maxIdle) idle.push(Buffer.from(chunk.buffer));
  }

  private deliver(bytes: number, buffer: Uint8Array): boolean {
    const chunk = Buffer.from(buffer.buffer, buffer.byteOffset, bytes);
    if (this.reader !== null) {
      this.reader(chunk);
    } else {
      this.emit("data", Buffer.from(chunk)); // a copy: listeners may keep a part of it
      this.giveBack(chunk);
    }
    return true;
  }
}

/** Only where rows come in the clear: under TLS the bytes that are read are not yet the ones that are delivered. */
export function mayPool(url: string, environment: Readonly<Record<string, string | undefined>>): boolean {
  const { hostname, searchParams } = new URL(url);
  const asksForTls = [...searchParams.keys()].some((name) => name.startsWith("ssl") || name === "uselibpqcompat");
  return !asksForTls && environment["PGSSLMODE"] === undefined && hostname !== "" && !searchParams.has("host");
}
