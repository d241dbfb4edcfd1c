// The network plane's face: its port, and what app.ts needs to open one machine of it.
export { createMediaPlane } from './media/plane.ts'
export { createNode, type NetworkNode } from './node.ts'
export type * from './port.ts'
export { createSandbox } from './sandbox/sandbox.ts'
export { recognizerOf, voices } from './speech/catalogue.ts'
export { repairWav } from './record/wav.ts'
export { liveThreads } from './media/thread.ts'
