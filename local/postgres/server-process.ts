import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Binaries } from './binaries.ts';
import { onCleanup } from './cleanup.ts';
import { readPostmasterFile, runningPostmaster } from './postmaster-file.ts';
import { runDirectory } from './run-directory.ts';
import { serverUser } from './server-user.ts';

