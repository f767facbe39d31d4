// The part of WebAssembly that src/repository uses; TypeScript has it only among the browser's types.
declare namespace WebAssembly {
  interface Module {
    readonly kind?: "module";
  }
  interface Instance {
    readonly exports: Record<string, unknown>;
  }
  const Module: new (bytes: Uint8Array) => Module;
  const Instance: new (module: Module) => Instance;
  interface Memory {
    readonly buffer: ArrayBuffer;
    grow(pages: number): number;
  }
  interface Global {
    readonly value: number | bigint;
  }
}
