// Programs that come as Python packages, each in an environment of its own in the user's cache, with every package at a
// pinned version.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** The path of a Python that has them. `requirementsPath` names every package, also what they need. */
export async function installPythonPackages(cacheDir: string, name: string, requirementsPath: string): Promise<string> {
  const requirements = await readFile(requirementsPath, "utf8");
  const version = createHash("sha256").update(requirements).digest("hex").slice(0, 12);
  const folder = join(cacheDir, `${name}-${version}`);
  if (await exists(folder)) return join(folder, "bin", "python");
  const python = await findPython();
  const draft = `${folder}.${process.pid}`;
  await mkdir(cacheDir, { recursive: true });
  try {
    // Only a whole environment gets the name. It is used as `python -m`, so that it may be moved.
    await run(python, ["-m", "venv", draft]).catch((error: Error) => {
      throw new Error(`Python has no module venv; on Debian install python3-venv. ${error.message}`);
    });
    const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r", requirementsPath];
    await run(join(draft, "bin", "python"), pip);
    await rename(draft, folder).catch(async (error: unknown) => {
      if (!(await exists(folder))) throw error; // else another run was faster
    });
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return join(folder, "bin", "python");
}

async function findPython(): Promise<string> {
  const isNewEnough = ["-c", "import sys; sys.exit(sys.version_info < (3, 10))"];
  for (const name of ["python3", "python", "python3.13", "python3.12", "python3.11", "python3.10"]) {
    const found = await run(name, isNewEnough).then(
      () => true,
      () => false,
    );
    if (found) return name;
  }
  throw new Error("the tests need Python: install Python 3.10 or later, with its module venv, onto the PATH");
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
