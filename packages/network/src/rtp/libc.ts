// The C library's sockets: Node wakes its loop for every packet, and has no way to read what came to many sockets at once.
//
// Linux only, since structures are laid out differently elsewhere. The foreign-function package is an optional dependency
// with prebuilt binaries; without it calls are carried by Node's own sockets.
import { createRequire } from 'node:module'

export const AF_INET = 2
export const AF_INET6 = 10
export const SOCK_DGRAM = 2
export const SOCK_NONBLOCK = 0o4000
export const SOCK_CLOEXEC = 0o2000000
export const SOL_SOCKET = 1
/** The kernel says with each datagram when it came. */
export const SO_TIMESTAMPNS = 35
export const MSG_TRUNC = 0x20
export const CLOCK_REALTIME = 0
export const EPOLL_CLOEXEC = 0o2000000
export const EPOLL_CTL_ADD = 1
export const EPOLLIN = 1

/** A `struct sockaddr_in6`, the larger of the two. */
export const SOCKADDR_BYTES = 28
/** `struct epoll_event`: packed on this one architecture alone, for the sake of its 32-bit programs. */
export const EPOLL_EVENT: { bytes: number; dataAt: number } =
  process.arch === 'x64' ? { bytes: 12, dataAt: 4 } : { bytes: 16, dataAt: 8 }

/** Calls of sections 2 and 3 of the manual by their names; -1 is an error, which `errno` tells. */
export interface Libc {
  socket(domain: number, type: number, protocol: number): number
  setsockopt(fd: number, level: number, name: number, value: Uint8Array, bytes: number): number
  bind(fd: number, address: Uint8Array, bytes: number): number
  getsockname(fd: number, address: Uint8Array, bytes: Uint8Array): number
  recvmsg(fd: number, message: Uint8Array, flags: number): number
  sendto(
    fd: number,
    data: Uint8Array,
    size: number,
    flags: number,
    address: Uint8Array,
    bytes: number,
  ): number
  close(fd: number): number
  epoll_create1(flags: number): number
  epoll_ctl(epoll: number, operation: number, fd: number, event: Uint8Array): number
  epoll_wait(epoll: number, events: Uint8Array, count: number, timeoutMs: number): number
  clock_gettime(clock: number, time: Uint8Array): number
  inet_pton(family: number, text: string, address: Uint8Array): number
  /** Writes text that ends with a zero. */
  inet_ntop(family: number, address: Uint8Array, text: Uint8Array, size: number): unknown
  /** Of the last call. */
  errno(): number
  /** Where memory is. It has to stay there: an `ArrayBuffer` that was made as one does, as long as it is referred to. */
  addressOf(memory: Uint8Array): bigint
}

interface Koffi {
  load(path: null): { func(prototype: string): unknown }
  errno(): number
  address(memory: Uint8Array): bigint
}

const PROTOTYPES = {
  socket: 'int socket(int domain, int type, int protocol)',
  setsockopt: 'int setsockopt(int fd, int level, int name, const void* value, uint32_t bytes)',
  bind: 'int bind(int fd, const void* address, uint32_t bytes)',
  getsockname: 'int getsockname(int fd, _Out_ void* address, _Inout_ void* bytes)',
  recvmsg: 'long recvmsg(int fd, _Inout_ void* message, int flags)',
  sendto:
    'long sendto(int fd, const void* data, unsigned long size, int flags, const void* address, uint32_t bytes)',
  close: 'int close(int fd)',
  epoll_create1: 'int epoll_create1(int flags)',
  epoll_ctl: 'int epoll_ctl(int epoll, int operation, int fd, const void* event)',
  epoll_wait: 'int epoll_wait(int epoll, _Out_ void* events, int count, int timeout)',
  clock_gettime: 'int clock_gettime(int clock, _Out_ void* time)',
  inet_pton: 'int inet_pton(int family, const char* text, _Out_ void* address)',
  inet_ntop: 'void* inet_ntop(int family, const void* address, _Out_ void* text, uint32_t size)',
}

/** The C library that this process runs on, or null where it can't be called. */
export function loadLibc(): Libc | null {
  if (process.platform !== 'linux' || !IS_64_BIT) return null
  const koffi = findKoffi()
  if (koffi === null) return null
  const own = koffi.load(null)
  const calls = Object.entries(PROTOTYPES).map(([name, text]) => [name, own.func(text)])
  return {
    ...(Object.fromEntries(calls) as Omit<Libc, 'errno' | 'addressOf'>),
    errno: () => koffi.errno(),
    addressOf: (memory) => koffi.address(memory),
  }
}

/** Whether RTP sockets are read together here, or each packet wakes its thread. */
export function readsInSweeps(): boolean {
  return loadLibc() !== null
}

/** Structures are written here as little-endian machines with pointers of 64 bits have them. */
const IS_64_BIT = ['x64', 'arm64', 'riscv64', 'loong64'].includes(process.arch)

/** Null where the package was not installed, or has no binary for this machine. */
function findKoffi(): Koffi | null {
  try {
    return createRequire(import.meta.url)('koffi') as Koffi
  } catch {
    return null
  }
}
