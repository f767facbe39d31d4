// The socket's bytes may be cut anywhere: whatever the chunks, the rows are the same, and what is not COPY's reaches pg.
import { EventEmitter } from "node:events";
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { CopyOut } from "../../../src/adapters/postgres/copy-out.ts";

const message = (type: string, payload: Uint8Array): Buffer => {
  const header = Buffer.alloc(5);
  header.write(type, 0, "latin1");
  header.writeUInt32BE(payload.length + 4, 1);
  return Buffer.concat([header, payload]);
};

/** A socket with pg's parser on it, as far as CopyOut sees them. */
class FakeConnection {
  readonly parsed: Buffer[] = [];
  asked = "";
  readonly stream = Object.assign(new EventEmitter(), { pause: () => {}, resume: () => {} });

  constructor() {
    this.stream.on("data", (chunk: Buffer) => this.parsed.push(Buffer.from(chunk)));
  }

  query(text: string): void {
    this.asked = text;
  }

  send(bytes: Buffer, cuts: readonly number[]): void {
    const ends = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
    let from = 0;
    for (const end of [...ends, bytes.length]) {
      if (end > from) this.stream.emit("data", Buffer.from(bytes.subarray(from, end)));
      from = end;
    }
  }
}

async function collect(copy: CopyOut): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of copy) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const start = (): { connection: FakeConnection; copy: CopyOut } => {
  const connection = new FakeConnection();
  const copy = new CopyOut("COPY (SELECT 1) TO STDOUT");
  copy.submit(connection as never);
  return { connection, copy };
};

const rowsAndCuts = [
  fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 30 }),
  fc.array(fc.nat(2_000), { maxLength: 20 }),
] as const;

describe("CopyOut", () => {
  test("gives the rows, whatever the chunks, and hands back what follows the end", async () => {
    await fc.assert(
      fc.asyncProperty(...rowsAndCuts, async (rows, cuts) => {
        const { connection, copy } = start();
        const after = Buffer.concat([message("C", Buffer.from("COPY 3\0")), message("Z", Buffer.from("T"))]);
        const bytes = Buffer.concat([
          message("H", Buffer.from([0, 0, 0])),
          ...rows.flatMap((row, index) => [
            message("d", row),
            ...(index % 7 === 3 ? [message("N", Buffer.from("SNOTICE\0\0"))] : []),
          ]),
          message("c", Buffer.alloc(0)),
          after,
        ]);
        connection.send(bytes, cuts);
        expect(await collect(copy)).toEqual(Buffer.concat(rows));
        expect(Buffer.concat(connection.parsed)).toEqual(after);
        expect(copy.isOver).toBe(true);
      }),
    );
  });

  test("an error in the middle is pg's to read, from its first byte; the rows end with it", async () => {
    await fc.assert(
      fc.asyncProperty(...rowsAndCuts, async (rows, cuts) => {
        const { connection, copy } = start();
        const error = Buffer.concat([message("E", Buffer.from("C57014\0\0")), message("Z", Buffer.from("E"))]);
        const bytes = Buffer.concat([
          message("H", Buffer.from([0, 0, 0])),
          ...rows.map((row) => message("d", row)),
          error,
        ]);
        connection.send(bytes, cuts);
        expect(Buffer.concat(connection.parsed)).toEqual(error);
        copy.handleError(new Error("57014"));
        await expect(collect(copy)).rejects.toThrow("57014");
      }),
    );
  });

  test("a connection that is lost is an error, never an end", async () => {
    const { connection, copy } = start();
    connection.send(message("d", Buffer.from("1\n")), []);
    copy.fail(new Error("connection ended"));
    await expect(collect(copy)).rejects.toThrow("connection ended");
  });
});
