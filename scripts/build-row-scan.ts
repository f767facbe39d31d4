// Compiles src/repository/row-scan.wat. Run after changing it: `node scripts/build-row-scan.ts`.
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import wabt from "wabt";

export async function compileRowScan(): Promise<Uint8Array> {
  const source = await readFile(new URL("../src/repository/row-scan.wat", import.meta.url), "utf8");
  const module = (await wabt()).parseWat("row-scan.wat", source, { simd: true });
  return module.toBinary({}).buffer;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await writeFile(new URL("../src/repository/row-scan.wasm", import.meta.url), await compileRowScan());
}
