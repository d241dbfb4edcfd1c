// The control plane's face: configure, start, operate.
export { type Adapters, type RunningRole, type Server, startRole, startServer } from './app.ts'
export {
  createWorkspace,
  DEFAULT_WORKSPACE,
  DEMO_NUMBER,
  insertKey,
  KEY_FILE as TEST_KEY_FILE,
} from './bootstrap.ts'
export { checkBus } from './bus-check.ts'
export { restoreBackup, writeBackup } from './backup.ts'
export { type Config, ConfigError, readConfig, ROLES, type Role } from './config.ts'
export { openOperator, type Operator, verifyAuditFile } from './operator.ts'
export { OperatorError } from './operator-error.ts'
export { readsInSweeps } from '@saperly/network'
export { checkTrunk, type HostAnswer } from './trunk-check.ts'
