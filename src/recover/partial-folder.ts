// A folder that is filled beside its target, under a name that says it is partial. It gets its own name when everything in it
// is written and proven; until then, and where that fails, a note in it says that it is not complete.
import { access, mkdir, readdir, rename, rm, rmdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { BackupError } from "../domain/errors.ts";
import { writePrivate } from "./private-files.ts";

/** Says that a folder was begun by us; it is the last thing that goes before the folder gets its name. */
const incompleteMark = "INCOMPLETE.txt";

/** @throws RecoverTargetNotEmpty, RecoverTargetRefused, and what `fill` throws. */
export async function fillFolder<T>(target: string, fill: (partial: string) => Promise<T>): Promise<T> {
  const partial = `${target}.partial`;
  let begun = false;
  try {
    await refuseIfNotEmpty(target);
    await makePartial(partial);
    begun = true;
    const result = await fill(partial);
    await rm(join(partial, incompleteMark));
    await rmdir(target).catch(ignoreMissing);
    await rename(partial, target);
    return result;
  } catch (error) {
    const failure = mapFileError(error, target);
    if (!begun) throw failure;
    const message = `${failure.message.replace(/[^.]$/, "$&.")} What was written until then is in ${partial}; it is not complete.`;
    throw new BackupError(failure.code, message, { ...failure.details, incompleteFolder: partial }, { cause: error });
  }
}

async function refuseIfNotEmpty(target: string): Promise<void> {
  const found = await readdir(target).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    if (error.code === "ENOTDIR") return [basename(target)];
    throw error;
  });
  if (found.length > 0)
    throw new BackupError("RecoverTargetNotEmpty", `The folder ${target} is not empty. Name a new folder.`);
}

/** What an earlier try left is ours to remove; anything else of that name is not. */
async function makePartial(partial: string): Promise<void> {
  const isOurs = await access(join(partial, incompleteMark)).then(
    () => true,
    () => false,
  );
  if (isOurs) await rm(partial, { recursive: true });
  await mkdir(dirname(partial), { recursive: true });
  await mkdir(partial, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
    throw new BackupError(
      "RecoverTargetNotEmpty",
      `${partial} is in the way, and was not made by a recovery. Name another folder.`,
    );
  });
  await writePrivate(
    join(partial, incompleteMark),
    "A recovery was begun here and did not end. Do not use these files; recover again.\n",
  );
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOENT") throw error;
}

function mapFileError(error: unknown, target: string): BackupError {
  if (error instanceof BackupError) return error;
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (code === undefined)
    return new BackupError(
      "Internal",
      `Recovering into ${target} failed for a reason that has no name.`,
      {},
      { cause: error },
    );
  return new BackupError(
    "RecoverTargetRefused",
    `The folder ${target} can't be written (${code}${syscall === undefined ? "" : ` at ${syscall}`}).`,
    { reason: code },
    { cause: error },
  );
}
