/** The commands on keys and values, by their names in lower case. */
import { bitcount, bitpos, getbit, setbit } from './bits.js'
import {
  expire,
  expireat,
  expiretime,
  persist,
  pexpire,
  pexpireat,
  pexpiretime,
  pttl,
  ttl,
} from './expiry.js'
import { copy, dbsize, del, delex, delifeq, exists, rename, renamenx, type } from './keys.js'
import { lcs } from './lcs.js'
import { decr, decrby, incr, incrby, incrbyfloat } from './numbers.js'
import { memory, object } from './objects.js'
import { append, getrange, setrange } from './ranges.js'
import type { Handler } from './request.js'
import { keys, randomkey, scan } from './scan.js'
import {
  get,
  getdel,
  getex,
  getset,
  mget,
  mset,
  msetnx,
  psetex,
  set,
  setex,
  setnx,
  strlen,
} from './strings.js'

/** Handlers may rely on the arity of their command having been checked; containers check their subcommands' themselves. */
export const dataHandlers: Readonly<Record<string, Handler>> = {
  append,
  bitcount,
  bitpos,
  copy,
  dbsize,
  decr,
  decrby,
  del,
  delex,
  delifeq,
  exists,
  expire,
  expireat,
  expiretime,
  get,
  getbit,
  getdel,
  getex,
  getrange,
  getset,
  incr,
  incrby,
  incrbyfloat,
  keys,
  lcs,
  memory,
  mget,
  mset,
  msetnx,
  object,
  persist,
  pexpire,
  pexpireat,
  pexpiretime,
  psetex,
  pttl,
  randomkey,
  rename,
  renamenx,
  scan,
  set,
  setbit,
  setex,
  setnx,
  setrange,
  strlen,
  substr: getrange,
  touch: exists,
  ttl,
  type,
  unlink: del,
}
