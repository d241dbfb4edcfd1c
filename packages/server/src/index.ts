// The control plane's face: configure, start, operate.
export { type Adapters, type Server, startServer } from './app.ts'
export { createWorkspace, DEMO_NUMBER, insertKey } from './bootstrap.ts'
export { type Config, ConfigError, readConfig } from './config.ts'
