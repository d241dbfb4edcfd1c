// The network plane's face: its port. Adapters are joined in the server's app.ts.
export type * from './port.ts'
