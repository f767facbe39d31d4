// A person at a terminal, who is asked.
import { createInterface } from "node:readline/promises";
import { BackupError } from "../domain/errors.ts";

export interface Terminal {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
  /** Whether somebody is there. */
  readonly isAnswered: boolean;
}

/** Questions go to stderr: stdout is the result's. */
export const ownTerminal = (): Terminal => ({
  input: process.stdin,
  output: process.stderr,
  isAnswered: process.stdin.isTTY,
});

/** Asks as often as `work` wants. @throws Cancelled by Ctrl-C, Ctrl-D, or when the terminal goes away. */
export async function withQuestions<T>(
  { input, output }: Terminal,
  work: (ask: (question: string) => Promise<string>) => Promise<T>,
): Promise<T> {
  const lines = createInterface({ input, output });
  const gone = new Promise<never>((_resolve, reject) =>
    lines.once("close", () => reject(new BackupError("Cancelled", "The question was not answered."))),
  );
  gone.catch(() => {}); // only a question that is open minds
  const ask = async (question: string): Promise<string> => {
    const answer = lines.question(question);
    answer.catch(() => {}); // Ctrl-C rejects it, and closes
    return (await Promise.race([answer, gone])).trim();
  };
  try {
    return await work(ask);
  } catch (error) {
    if (error instanceof Error && error.name === "AbortError") return await gone;
    throw error;
  } finally {
    lines.close();
  }
}
