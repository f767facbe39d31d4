// What lies in a folder, to be compared byte for byte.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** Path below the folder → content; empty where there is no folder. */
export async function filesBelow(folder: string): Promise<Map<string, string>> {
  const names = await readdir(folder, { recursive: true, withFileTypes: true }).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
      return [];
    },
  );
  const files = names.filter((each) => each.isFile());
  return new Map(
    await Promise.all(
      files.map(async (each): Promise<[string, string]> => {
        const path = join(each.parentPath, each.name);
        return [path.slice(folder.length), (await readFile(path)).toString("base64")];
      }),
    ),
  );
}
