// Types of the WebAssembly packages that ship none, as far as we use them.

declare module '@echogarden/fvad-wasm' {
  export interface FvadModule {
    HEAP16: Int16Array
    _malloc(bytes: number): number
    _free(pointer: number): void
    /** Zero when out of memory. */
    _fvad_new(): number
    _fvad_free(handle: number): void
    /** Zero, or -1 for a mode outside of 0–3. */
    _fvad_set_mode(handle: number, mode: number): number
    /** Zero, or -1 for a rate other than 8000, 16000, 32000 or 48000. */
    _fvad_set_sample_rate(handle: number, rate: number): number
    /** 1 for speech, 0 for none, -1 for a bad frame length. */
    _fvad_process: (handle: number, frame: number, samples: number) => number
  }
  export default function createFvadModule(): Promise<FvadModule>
}

declare namespace WebAssembly {
  class Module {
    private constructor()
    readonly brand: 'WebAssembly.Module'
  }
  class Memory {
    private constructor()
    readonly buffer: ArrayBuffer
  }
  class Instance {
    constructor(module: Module, imports: Record<string, Record<string, unknown>>)
    readonly exports: Record<string, unknown>
  }
  function compile(bytes: Uint8Array): Promise<Module>
}
